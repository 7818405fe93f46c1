//! "Did you mean": the nearest of the right spellings.

/// The nearest candidate, if it is near enough that a slip of the fingers explains it.
pub(crate) fn nearest<'a>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Nobody means a flag by a page of text, and the distance costs length times length.
    const TYPED_CHARACTERS_MAX: usize = 64;
    if typed.chars().count() > TYPED_CHARACTERS_MAX {
        return None;
    }
    let (distance, best) = candidates
        .into_iter()
        .map(|candidate| (distance(typed, candidate), candidate))
        .min_by_key(|(distance, _)| *distance)?;
    let bound = (typed.len().max(best.len()) / 3).max(1);
    (distance <= bound).then_some(best)
}

/// `; did you mean X?`, or nothing.
pub(crate) fn hint<'a>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    prefix: &str,
) -> String {
    match nearest(typed, candidates) {
        Some(best) => format!("; did you mean {prefix}{best}?"),
        None => String::new(),
    }
}

/// How many characters have to be added, removed, replaced or swapped with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let width = to.len() + 1;
    let mut table = vec![0usize; (from.len() + 1) * width];
    let cell = |table: &[usize], i: usize, j: usize| table.get(i * width + j).copied();
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            let value = if i == 0 || j == 0 {
                i + j
            } else {
                let get = |i, j| cell(&table, i, j).unwrap_or(usize::MAX);
                let same = from.get(i - 1) == to.get(j - 1);
                let mut least = (get(i - 1, j) + 1)
                    .min(get(i, j - 1) + 1)
                    .min(get(i - 1, j - 1) + usize::from(!same));
                let swapped = i > 1
                    && j > 1
                    && from.get(i - 1) == to.get(j - 2)
                    && from.get(i - 2) == to.get(j - 1);
                if swapped {
                    least = least.min(get(i - 2, j - 2) + 1);
                }
                least
            };
            if let Some(slot) = table.get_mut(i * width + j) {
                *slot = value;
            }
        }
    }
    table.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let flags = ["port", "host", "transport", "tags"];
        assert_eq!(nearest("prot", flags), Some("port"));
        assert_eq!(nearest("trasport", flags), Some("transport"));
        assert_eq!(nearest("tag", flags), Some("tags"));
        assert_eq!(nearest("verbose", flags), None);
        assert_eq!(nearest("", flags), None);
        assert_eq!(nearest(&"x".repeat(10_000), flags), None);
        assert_eq!(hint("prot", flags, "--"), "; did you mean --port?");
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
