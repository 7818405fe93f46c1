//! Every application there and back, on texts as people leave them behind.

use std::path::PathBuf;

use super::*;

pub(super) fn around() -> Surroundings {
    Surroundings {
        platform: Platform::Linux,
        home: PathBuf::from("/home/u"),
        config_home: PathBuf::from("/home/u/.config"),
        app_data: PathBuf::from("/home/u/AppData/Roaming"),
        local_app_data: PathBuf::from("/home/u/AppData/Local"),
        project: Some(PathBuf::from("/work/p")),
    }
}
