//! `cargo xtask spec mutate`: whether the tests that carry an id notice when the code that carries it
//! breaks.
//!
//! cargo-mutants knows what to break; here it is decided which of it belongs to a requirement, which
//! mutants are tried, and which tests judge them. A working copy below `target/mutate` is broken, never
//! the repository.

mod batch;
mod candidates;
mod cargo;
mod copy;
mod draw;
mod embed;
mod equivalents;
mod plan;
mod reach;
mod runner;
mod syntax;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use self::batch::{Batch, Case};
use self::candidates::{Candidate, Mutant};
use self::copy::WorkingCopy;
use self::draw::Draw;
use self::equivalents::Equivalents;
use self::verdicts::{Verdict, Verdicts};
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

/// Of so many drawn mutants one more is tried at once: it takes the place of one that does not compile.
const SPARE: usize = 5;

/// Breaks `count` places drawn by each seed, and fails if too many of those of a seed go unnoticed. What
/// earlier runs found out is believed unless `anew`.
pub(crate) fn run(seeds: &[u64], count: usize, anew: bool) -> Result<()> {
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
    let mut mutants = Mutant::parse(&listed)?;
    let equivalent = Equivalents::read()?.remove(&mut mutants, &files)?;
    let candidates = candidates::find(&mutants, &files, mentions, &|id| judges.contains_key(id));
    if candidates.is_empty() {
        bail!("no code carries the id of a requirement: nothing to mutate");
    }
    let ids = candidates.iter().flat_map(|each| &each.ids);
    let ids: BTreeSet<&Id> = ids.copied().collect();
    println!(
        "mutate: {} mutants of code that carries {} ids, {equivalent} known to be equivalent left out; \
         trying {count} for each of the seeds {seeds:?}",
        candidates.len(),
        ids.len()
    );

    let mut trials = Trials {
        copy: WorkingCopy::update(&repository)?,
        judges,
        verdicts: Verdicts::read(&files, anew)?,
    };
    let draws: Vec<Vec<&Candidate<'_>>> = seeds
        .iter()
        .map(|seed| {
            let draw = Draw::new(&candidates, *seed);
            draw.take(count.saturating_mul(1 + REDRAWS)).collect()
        })
        .collect();
    let mut tried = BTreeSet::new();
    loop {
        let open = trials.open(&draws, count, &tried);
        if open.is_empty() {
            break;
        }
        trials.judge(&open)?;
        tried.extend(open.iter().map(|candidate| candidate.mutant.name.as_str()));
    }
    let mut passed = Ok(());
    for (seed, drawn) in seeds.iter().zip(&draws) {
        let tally = trials.tally(drawn, count);
        passed = passed.and(tally.conclude(*seed, &seconds(started.elapsed())));
    }
    passed
}

/// What mutants are tried with.
struct Trials<'p> {
    copy: WorkingCopy,
    judges: BTreeMap<&'p Id, Vec<&'p Proof>>,
    verdicts: Verdicts<'p>,
}

impl<'p> Trials<'p> {
    /// Those that have to be tried next, so that each seed has its number of mutants; survivors of
    /// earlier runs again.
    fn open<'c>(
        &self,
        draws: &[Vec<&'c Candidate<'c>>],
        count: usize,
        tried: &BTreeSet<&str>,
    ) -> Vec<&'c Candidate<'c>> {
        let mut open: BTreeMap<&str, &Candidate<'_>> = BTreeMap::new();
        for drawn in draws {
            let viable =
                |candidate: &&&Candidate<'_>| self.verdict(candidate) != Some(Verdict::Unviable);
            let mut wanted: Vec<&Candidate<'_>> =
                drawn.iter().filter(viable).take(count).copied().collect();
            let is_open = |candidate: &&Candidate<'_>| {
                !tried.contains(candidate.mutant.name.as_str())
                    && self
                        .verdict(candidate)
                        .is_none_or(|known| known == Verdict::Survived)
            };
            let missing = wanted.iter().filter(|each| is_open(each)).count();
            let spare = drawn.iter().filter(viable).skip(count);
            if missing > 0 {
                wanted.extend(spare.take(missing.div_ceil(SPARE)));
            }
            let wanted = wanted.into_iter().filter(is_open);
            open.extend(wanted.map(|candidate| (candidate.mutant.name.as_str(), candidate)));
        }
        open.into_values().collect()
    }

    fn verdict(&self, candidate: &Candidate<'_>) -> Option<Verdict> {
        let tests = judging(candidate, &self.judges);
        self.verdicts.known(candidate.mutant, &tests)
    }

    fn judge(&mut self, candidates: &[&Candidate<'p>]) -> Result<()> {
        let cases: Vec<Case<'_>> = candidates
            .iter()
            .map(|candidate| Case {
                mutant: candidate.mutant,
                tests: judging(candidate, &self.judges),
            })
            .collect();
        let (verdicts, mut done, count) = (&mut self.verdicts, 0, cases.len());
        Batch::judge(&self.copy, &cases, &mut |case, verdict| {
            done += 1;
            println!("{done:>4}/{count} {verdict:>9}  {}", case.mutant.name);
            verdicts.keep(case.mutant, &case.tests, verdict)
        })
    }

    fn tally(&self, drawn: &[&Candidate<'_>], count: usize) -> Tally {
        let mut tally = Tally::default();
        for candidate in drawn {
            if tally.tried() == count {
                break;
            }
            if let Some(verdict) = self.verdict(candidate) {
                tally.add(candidate, verdict);
            }
        }
        tally
    }
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

/// The tests that carry an id of a candidate, each once.
fn judging<'p>(
    candidate: &Candidate<'_>,
    judges: &BTreeMap<&Id, Vec<&'p Proof>>,
) -> Vec<&'p Proof> {
    let tests = candidate.ids.iter().filter_map(|id| judges.get(id));
    let mut tests: Vec<&Proof> = tests.flatten().copied().collect();
    tests.sort();
    tests.dedup();
    tests
}

/// What became of the mutants of a seed.
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
        match verdict {
            Verdict::Caught | Verdict::TimedOut => self.caught += 1,
            Verdict::Unviable => self.unviable += 1,
            Verdict::Survived => {
                let survivor = format!("{} [{}]", candidate.mutant.name, ids.join(", "));
                self.survivors.push(survivor);
            }
        }
    }

    fn conclude(&self, seed: u64, took: &str) -> Result<()> {
        let tried = self.tried();
        println!(
            "\nmutate: seed {seed}: {tried} mutants, {} caught, {} survived, {} did not compile and were \
             drawn again, {took}",
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
        assert!(tally(9, 1).conclude(1, "").is_ok());
        let error = tally(8, 2).conclude(1, "").unwrap_err();
        assert!(error.to_string().contains("80 % caught"), "{error}");
        assert!(tally(0, 0).conclude(1, "").is_err());
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
