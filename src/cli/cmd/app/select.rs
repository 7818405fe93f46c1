//! Which files of an application a consolidate is about.

use onemcp::base::url::Url;
use onemcp::config::apps::{App, OwnEntry, Surroundings};

use super::takeover::Job;
use super::which::{self, Place};
use super::{target, which::places as places_of};
use crate::cli::failure::Failure;
use crate::cli::out;
use crate::cli::places::Places;

/// A file, and whether it gets our entry (or only gives its servers).
#[derive(Clone, Debug)]
pub(super) struct Selected {
    pub(super) place: Place,
    pub(super) gets_entry: bool,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) app: &'static App,
    /// The project's file instead of the user's.
    pub(super) project: bool,
    /// Make a file although the application does not seem to be installed.
    pub(super) force: bool,
    pub(super) own: &'a OwnEntry,
    pub(super) own_path: &'a str,
    /// URLs of instances that run.
    pub(super) running: &'a [Url],
    pub(super) around: &'a Surroundings,
    pub(super) places: &'a Places,
}

impl Wanted<'_> {
    /// The files: those that are there; else the one that the application would make. An older
    /// place that is still read counts only if servers are in it, and its servers move to the
    /// entry in the newer place.
    pub(super) fn files(&self) -> Result<Vec<Selected>, Failure> {
        let all: Vec<Place> = places_of(self.app, self.around)
            .into_iter()
            .filter(|place| place.is_project() == self.project)
            .collect();
        let mut chosen: Vec<Selected> = Vec::new();
        let mut older: Vec<Selected> = Vec::new();
        for (index, place) in all.iter().enumerate() {
            let candidate = &place.candidate;
            if !place.exists || (!candidate.may_create && !self.has_servers(place)) {
                continue;
            }
            if candidate.gets_entry {
                chosen.push(with_entry(place));
                continue;
            }
            let before = all.get(..index).unwrap_or_default().iter();
            let newer = before
                .rev()
                .filter(|other| other.candidate.gets_entry && other.candidate.may_create)
                .find(|other| other.candidate.variant == candidate.variant);
            if let Some(newer) = newer.filter(|newer| !newer.exists) {
                chosen.push(with_entry(newer));
            }
            older.push(Selected {
                place: place.clone(),
                gets_entry: newer.is_none(),
            });
        }
        if chosen.is_empty() && older.is_empty() {
            chosen.push(with_entry(self.makes(&all)?));
        }
        chosen.extend(older);
        Ok(chosen)
    }

    fn makes<'p>(&self, all: &'p [Place]) -> Result<&'p Place, Failure> {
        let mut makeable = all.iter().filter(|place| place.candidate.may_create);
        let first = makeable.clone().next();
        let traced = makeable.find(|place| place.traced);
        let is_made = if self.project { None } else { traced };
        if let Some(place) = is_made.or(first.filter(|_| self.force)) {
            return Ok(place);
        }
        let (title, id) = (self.app.title, self.app.id);
        Err(Failure::Failed(match first {
            None if self.project => format!("{title} has no file with servers in this directory"),
            None => format!("{title} has no file that could be changed"),
            Some(place) if self.project => format!(
                "there is no {}; go to the project's directory, or make the file with --force",
                place.path.display()
            ),
            Some(place) => format!(
                "{title} was never used here: there is no {}; start it once, or make the file \
                 with 1mcp app consolidate {id} --force",
                place.path.display()
            ),
        }))
    }

    fn has_servers(&self, place: &Place) -> bool {
        let job = self.job(place, None);
        let found = target::read(&place.path).and_then(|present| match present.bytes {
            Some(bytes) => Ok(!job.inspect(&bytes)?.servers.is_empty()),
            None => Ok(false),
        });
        found.unwrap_or_else(|failure| {
            out::note(failure.line().unwrap_or_default());
            false
        })
    }

    /// The job of one file.
    pub(super) fn job<'j>(&'j self, place: &'j Place, own: Option<&'j OwnEntry>) -> Job<'j> {
        Job {
            app: self.app,
            place,
            own,
            own_path: Some(self.own_path),
            running: self.running,
            around: self.around,
            places: self.places,
        }
    }

    /// Files of the project that hold servers of their own, for a hint.
    pub(super) fn left_in_project(&self) -> Vec<String> {
        if self.project {
            return Vec::new();
        }
        let all = which::places(self.app, self.around).into_iter();
        all.filter(|place| place.is_project() && place.exists && self.has_servers(place))
            .map(|place| place.path.display().to_string())
            .collect()
    }
}

fn with_entry(place: &Place) -> Selected {
    Selected {
        place: place.clone(),
        gets_entry: true,
    }
}
