//! What each scripted server offers: drawn once from its name and variant, so that two runs of the
//! same command line offer the same.

use crate::rng::Rng;

/// Which revisions a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eras {
    Legacy,
    Both,
    Modern,
}

/// What a server is.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) version: &'static str,
    pub(crate) tools: Vec<String>,
    pub(crate) prompts: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) templates: Vec<String>,
    /// Entries of one page; 0 = all.
    pub(crate) page: usize,
    pub(crate) has_tools: bool,
    pub(crate) has_prompts: bool,
    pub(crate) has_resources: bool,
    pub(crate) subscribe: bool,
    pub(crate) completions: bool,
    pub(crate) logging: bool,
    pub(crate) instructions: bool,
    pub(crate) eras: Eras,
}

/// The revisions, oldest first.
pub(crate) const VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// Names that collide between servers, need cleaning or do not fit.
const TOOLS: [&str; 8] = [
    "read",
    "sum.up",
    "sum_up",
    "x y",
    "t\u{e4}g",
    "a_very_long_name_of_a_tool_that_does_not_fit_into_the_usual_length_of_names",
    "a_very_long_name_of_a_tool_that_does_not_fit_into_the_usual_length_of_names2",
    "quo\"te",
];
const PROMPTS: [&str; 3] = ["greet", "read", "sum.up"];
/// URIs that servers have in common, and one that needs care when it is compared.
pub(crate) const URIS: [&str; 5] = [
    "file:///a",
    "file:///b/c",
    "ui://w/1",
    "file:///b/",
    "file:///\u{e4}",
];
const TEMPLATES: [&str; 3] = ["file:///t/{id}", "db://{name}/{row}", "file:///{+path}"];

impl Definition {
    /// What the server of this name and variant is.
    pub(crate) fn new(world: u64, name: &str, variant: u64) -> Self {
        let mut seed = world ^ variant.wrapping_mul(0x1000_0001);
        for byte in name.bytes() {
            seed = seed.wrapping_mul(31).wrapping_add(u64::from(byte));
        }
        let rng = &mut Rng::new(seed);
        let mut some = |of: &[&str], per_mille| -> Vec<String> {
            of.iter()
                .filter(|_| rng.chance(per_mille))
                .map(|one| (*one).to_owned())
                .collect()
        };
        let mut tools = some(&TOOLS, 400);
        tools.insert(0, "echo".to_owned());
        let (prompts, resources, templates) =
            (some(&PROMPTS, 500), some(&URIS, 500), some(&TEMPLATES, 300));
        Self {
            version: rng.pick(&VERSIONS),
            tools,
            prompts,
            resources,
            templates,
            page: if rng.chance(400) { 1 + rng.index(3) } else { 0 },
            has_tools: rng.chance(950),
            has_prompts: rng.chance(600),
            has_resources: rng.chance(700),
            subscribe: rng.chance(700),
            completions: rng.chance(500),
            logging: rng.chance(700),
            instructions: rng.chance(500),
            eras: match rng.below(6) {
                0 => Eras::Both,
                1 => Eras::Modern,
                _ => Eras::Legacy,
            },
        }
    }

    /// The `capabilities` that it declares.
    pub(crate) fn capabilities(&self) -> String {
        let mut members = Vec::new();
        if self.has_tools {
            members.push("\"tools\":{\"listChanged\":true}".to_owned());
        }
        if self.has_prompts {
            members.push("\"prompts\":{}".to_owned());
        }
        if self.has_resources {
            members.push(format!(
                "\"resources\":{{\"subscribe\":{}}}",
                self.subscribe
            ));
        }
        if self.completions {
            members.push("\"completions\":{}".to_owned());
        }
        if self.logging {
            members.push("\"logging\":{}".to_owned());
        }
        format!("{{{}}}", members.join(","))
    }
}
