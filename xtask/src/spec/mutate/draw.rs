//! Which mutants are tried: an id at random, then one of its mutants, none of them twice.

use std::collections::BTreeMap;

use super::super::id::Id;
use super::candidates::Candidate;

/// Draws without putting back. The same seed on the same code draws the same.
pub(super) struct Draw<'c> {
    /// By id, so that a requirement with much code is not drawn more often.
    by_id: BTreeMap<&'c Id, Vec<&'c Candidate<'c>>>,
    random: fastrand::Rng,
}

impl<'c> Draw<'c> {
    pub(super) fn new(candidates: &'c [Candidate<'c>], seed: u64) -> Self {
        let mut by_id: BTreeMap<&Id, Vec<&Candidate<'_>>> = BTreeMap::new();
        for candidate in candidates {
            for id in &candidate.ids {
                by_id.entry(*id).or_default().push(candidate);
            }
        }
        Self {
            by_id,
            random: fastrand::Rng::with_seed(seed),
        }
    }
}

impl<'c> Iterator for Draw<'c> {
    type Item = &'c Candidate<'c>;

    fn next(&mut self) -> Option<&'c Candidate<'c>> {
        if self.by_id.is_empty() {
            return None;
        }
        let place = self.random.usize(..self.by_id.len());
        let mutants = self.by_id.values_mut().nth(place)?;
        let drawn = mutants.swap_remove(self.random.usize(..mutants.len()));
        for mutants in self.by_id.values_mut() {
            mutants.retain(|candidate| !std::ptr::eq(*candidate, drawn));
        }
        self.by_id.retain(|_, mutants| !mutants.is_empty());
        Some(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::super::candidates::{Mutant, Position, Span};
    use super::*;

    fn mutants(count: usize) -> Vec<Mutant> {
        let position = Position { line: 1, column: 1 };
        (0..count)
            .map(|number| Mutant {
                name: number.to_string(),
                genre: String::new(),
                file: String::new(),
                function: None,
                span: Span {
                    start: position,
                    end: position,
                },
                replacement: String::new(),
            })
            .collect()
    }

    fn names(seed: u64) -> Vec<String> {
        let mutants = mutants(40);
        let ids: Vec<Id> = (0..4)
            .map(|number| Id::parse(&format!("TP-SHM-00{number}0")).unwrap())
            .collect();
        let candidates: Vec<Candidate<'_>> = mutants
            .iter()
            .enumerate()
            .map(|(index, mutant)| Candidate {
                mutant,
                ids: vec![&ids[index % 3], &ids[3]],
            })
            .collect();
        Draw::new(&candidates, seed)
            .map(|candidate| candidate.mutant.name.clone())
            .collect()
    }

    #[test]
    fn every_mutant_is_drawn_once() {
        let mut drawn = names(7);
        drawn.sort();
        drawn.dedup();
        assert_eq!(drawn.len(), 40);
    }

    #[test]
    fn a_seed_decides_the_order() {
        assert_eq!(names(7), names(7));
        assert_ne!(names(7), names(8));
    }
}
