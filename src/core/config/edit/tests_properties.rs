//! What must hold of every edit of every document: see [`super::super::fuzzing::edit`].

use super::super::fuzzing;
use super::generator::Generator;

const CASES: u64 = 22_000;

fn with_control(generator: &mut Generator, text: &[u8]) -> Vec<u8> {
    let mut data: Vec<u8> = (0..8)
        .map(|_| u8::try_from(generator.below(256)).unwrap())
        .collect();
    data.extend_from_slice(text);
    data
}

#[test]
fn every_edit_of_a_text_means_the_same_on_the_tree_and_touches_nothing_else() {
    for seed in 1..=CASES {
        let mut generator = Generator::new(seed);
        let document = generator.any_document();
        // Shown only when the test fails: the last line names the seed.
        println!("seed {seed}: {document:?}");
        fuzzing::edit(&with_control(&mut generator, document.as_bytes()));
    }
}
