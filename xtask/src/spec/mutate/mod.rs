//! `cargo xtask spec mutate`: whether the tests that carry an id notice when the code that carries it
//! breaks.
//!
//! cargo-mutants knows what to break; here it is decided which of it belongs to a requirement, which
//! mutants are tried, and which tests judge them. A working copy below `target/mutate` is broken, never
//! the repository.

mod candidates;
mod copy;
mod draw;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use self::candidates::{Candidate, Mutant};
use self::copy::WorkingCopy;
use self::draw::Draw;
use self::trial::Verdict;
use super::id::Id;
use super::proofs::Proof;
use super::{Specification, binaries, read};
use crate::report::seconds;
use crate::setup::{self, Purpose};
use crate::shell::Cmd;
use crate::tidy;

/// What has to be caught, in percent.
const REQUIRED_PERCENT: usize = 90;

/// Mutants that do not compile are drawn again, at most so many for each that does.
const REDRAWS: usize = 4;

/// Breaks `count` places drawn by `seed`, and fails if too many of them go unnoticed.
pub(crate) fn run(seed: u64, count: usize) -> Result<()> {
    let started = Instant::now();
    setup::ensure(Purpose::Mutate)?;
    let repository = tidy::repository_files()?;
    let files = tidy::read_files(&repository)?;
    let metadata = Cmd::cargo("metadata --format-version 1 --no-deps --offline").probe();
    let metadata = metadata.context("`cargo metadata` failed; run it to see why")?;
    // What is wrong with the specification is what `cargo xtask spec` says.
    let (specification, _findings) = read(&files, &repository, &binaries::find(&metadata)?);
    let Specification {
        proofs, mentions, ..
    } = &specification;

    let judges = judges(proofs);
    let listed = Cmd::cargo("mutants --list --json --workspace").run_for_stdout()?;
    let mutants = Mutant::parse(&listed)?;
    let candidates = candidates::find(&mutants, &files, mentions, &|id| judges.contains_key(id));
    if candidates.is_empty() {
        bail!("no code carries the id of a requirement: nothing to mutate");
    }
    let ids = candidates.iter().flat_map(|each| &each.ids);
    let ids: BTreeSet<&Id> = ids.copied().collect();
    println!(
        "mutate: {} mutants of code that carries {} ids; trying {count}, seed {seed}",
        candidates.len(),
        ids.len()
    );

    let copy = WorkingCopy::update(&repository)?;
    let drawn: Vec<&Candidate<'_>> = Draw::new(&candidates, seed)
        .take(count.saturating_mul(1 + REDRAWS))
        .collect();
    println!("mutate: building, and running the tests on sound code");
    trial::check_sound(&copy, &judging(&drawn, &judges))?;
    let mut tally = Tally::default();
    for candidate in drawn {
        if tally.tried() == count {
            break;
        }
        let tests = judging(&[candidate], &judges);
        tally.add(candidate, trial::judge(&copy, candidate, &tests)?);
    }
    tally.conclude(&seconds(started.elapsed()))
}

/// The tests that can judge, by id. Loom models need a build of their own, and judge nothing here.
fn judges(proofs: &[Proof]) -> BTreeMap<&Id, Vec<&Proof>> {
    let mut judges: BTreeMap<&Id, Vec<&Proof>> = BTreeMap::new();
    for proof in proofs.iter().filter(|proof| !proof.loom) {
        for id in &proof.ids {
            judges.entry(id).or_default().push(proof);
        }
    }
    judges
}

/// The tests that carry an id of these candidates, each once.
fn judging<'p>(
    candidates: &[&Candidate<'_>],
    judges: &BTreeMap<&Id, Vec<&'p Proof>>,
) -> Vec<&'p Proof> {
    let mut judging: Vec<&Proof> = candidates
        .iter()
        .flat_map(|candidate| &candidate.ids)
        .filter_map(|id| judges.get(id))
        .flatten()
        .copied()
        .collect();
    judging.sort();
    judging.dedup();
    judging
}

/// What became of the mutants.
#[derive(Debug, Default)]
struct Tally {
    caught: usize,
    unviable: usize,
    survivors: Vec<String>,
}

impl Tally {
    fn tried(&self) -> usize {
        self.caught + self.survivors.len()
    }

    fn add(&mut self, candidate: &Candidate<'_>, verdict: Verdict) {
        let ids: Vec<String> = candidate.ids.iter().map(ToString::to_string).collect();
        let line = format!("{} [{}]", candidate.mutant.name, ids.join(", "));
        println!("{verdict:>9}  {line}");
        match verdict {
            Verdict::Caught | Verdict::TimedOut => self.caught += 1,
            Verdict::Unviable => self.unviable += 1,
            Verdict::Survived => self.survivors.push(line),
        }
    }

    fn conclude(&self, took: &str) -> Result<()> {
        let tried = self.tried();
        println!(
            "\nmutate: {tried} mutants, {} caught, {} survived, {} did not compile and were drawn again, {took}",
            self.caught,
            self.survivors.len(),
            self.unviable
        );
        for survivor in &self.survivors {
            println!("survived: {survivor}");
        }
        if tried == 0 {
            bail!("no mutant compiled");
        }
        let percent = self.caught * 100 / tried;
        if percent < REQUIRED_PERCENT {
            bail!(
                "mutate: {percent} % caught, expected {REQUIRED_PERCENT}: the tests of the survivors' \
                 requirements do not notice that their code is broken"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::example;

    fn tally(caught: usize, survived: usize) -> Tally {
        Tally {
            caught,
            unviable: 3,
            survivors: vec!["x".to_owned(); survived],
        }
    }

    #[test]
    fn nine_of_ten_have_to_be_caught() {
        assert!(tally(9, 1).conclude("").is_ok());
        let error = tally(8, 2).conclude("").unwrap_err();
        assert!(error.to_string().contains("80 % caught"), "{error}");
        assert!(tally(0, 0).conclude("").is_err());
    }

    #[test]
    fn every_test_of_an_id_judges_it_but_loom_models() {
        let mut proofs = example::proofs();
        let mut model = proofs[0].clone();
        model.loom = true;
        proofs.push(model);
        let judges = judges(&proofs);
        for (id, tests) in &judges {
            assert!(tests.iter().all(|test| !test.loom && test.ids.contains(id)));
        }
        assert_eq!(judges.len(), proofs[0].ids.len());
    }
}
