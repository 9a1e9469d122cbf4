//! Many mutants at once: written into the working copy, built together, judged one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::super::proofs::Proof;
use super::candidates::Mutant;
use super::cargo::{self, Complaint};
use super::copy::WorkingCopy;
use super::embed::{self, Embedded, SWITCH};
use super::plan::Stage;
use super::runner::{Outcome, Runner};
use super::verdicts::Verdict;
use crate::report::seconds;

/// A constant function cannot ask which mutant is in force.
const CONST_CALL: &str = "E0015";

/// A match lacks an arm, because what was taken for one that fits everything has a guard.
const NOT_EXHAUSTIVE: &str = "E0004";

/// A mutant and the tests that judge it.
#[derive(Debug)]
pub(super) struct Case<'p> {
    pub(super) mutant: &'p Mutant,
    pub(super) tests: Vec<&'p Proof>,
}

/// Mutants under trial. The number of a mutant is its place, from 1.
pub(super) struct Batch<'b, 'p> {
    copy: &'b WorkingCopy,
    cases: &'b [Case<'p>],
    verdicts: Vec<Option<Verdict>>,
    /// Those that cannot be built together with others.
    alone: BTreeSet<u32>,
    /// The files as they were written last.
    embedded: BTreeMap<String, Embedded>,
    /// Tests that fail without any mutant, and judge nothing.
    unsound: BTreeSet<&'p Proof>,
    on_verdict: &'b mut dyn FnMut(&Case<'p>, Verdict) -> Result<()>,
}

impl<'b, 'p> Batch<'b, 'p> {
    /// Judges all. `on_verdict` is told of each.
    pub(super) fn judge(
        copy: &'b WorkingCopy,
        cases: &'b [Case<'p>],
        on_verdict: &'b mut dyn FnMut(&Case<'p>, Verdict) -> Result<()>,
    ) -> Result<()> {
        let mut batch = Self {
            copy,
            cases,
            verdicts: vec![None; cases.len()],
            alone: BTreeSet::new(),
            embedded: BTreeMap::new(),
            unsound: BTreeSet::new(),
            on_verdict,
        };
        batch.embed()?;
        println!("mutate: {} mutants in one program", batch.together());
        for stage in Stage::ALL {
            batch.run(stage)?;
        }
        batch.conclude_together()?;
        batch.judge_alone()
    }

    /// How many are in force by the environment.
    fn together(&self) -> usize {
        self.embedded.values().map(|file| file.lines.len()).sum()
    }

    /// Writes the mutants into the copy that have no verdict and need not be alone.
    fn embed(&mut self) -> Result<()> {
        let mut by_file: BTreeMap<&str, Vec<(u32, &Mutant)>> = BTreeMap::new();
        for (number, case) in (1..).zip(self.cases) {
            let is_open = self.verdicts[number as usize - 1].is_none();
            if crate_root(self.copy.root(), &case.mutant.file).is_none() {
                self.alone.insert(number);
            }
            if is_open && !self.alone.contains(&number) {
                by_file
                    .entry(&case.mutant.file)
                    .or_default()
                    .push((number, case.mutant));
            }
        }
        let (mut embedded, mut roots) = (BTreeMap::new(), BTreeSet::new());
        for (file, mutants) in by_file {
            let sound = WorkingCopy::sound(file)?;
            let made = embed::embed(&sound, &mutants).with_context(|| format!("in {file}"))?;
            self.alone.extend(&made.alone);
            roots.extend(crate_root(self.copy.root(), file));
            embedded.insert(file.to_owned(), made);
        }
        for (file, made) in &embedded {
            if !roots.contains(file) {
                self.copy.write(file, &made.text)?;
            }
        }
        for root in &roots {
            let text = match embedded.get(root) {
                Some(made) => made.text.clone(),
                None => WorkingCopy::sound(root)?,
            };
            self.copy.write(root, &format!("{text}{SWITCH}"))?;
        }
        roots.extend(embedded.keys().cloned());
        self.copy.restore_all_but(&roots)?;
        self.embedded = embedded;
        Ok(())
    }

    /// Takes out the mutants a complaint is about; gives their number.
    fn exclude(&mut self, complaint: &Complaint) -> Result<usize> {
        let about = |(file, first, last): &(String, usize, usize)| {
            let lines = self.embedded.get(file).map(|made| &made.lines);
            let found = lines
                .into_iter()
                .flatten()
                .filter(|(_, lines)| lines.0 <= *last && *first <= lines.1);
            found.map(|(number, _)| *number).collect::<Vec<_>>()
        };
        let numbers = complaint.places.iter().map(about);
        let numbers = numbers.into_iter().find(|numbers| !numbers.is_empty());
        let is_constant = complaint.text.contains(CONST_CALL);
        let numbers = match numbers {
            Some(numbers) => numbers,
            None if is_constant => self.in_functions_of(complaint),
            None if complaint.text.contains(NOT_EXHAUSTIVE) => self.first_arm_of(complaint),
            // What follows from another complaint.
            None => Vec::new(),
        };
        for number in &numbers {
            if is_constant {
                self.alone.insert(*number);
            } else {
                self.decide(*number, Verdict::Unviable)?;
            }
        }
        Ok(numbers.len())
    }

    /// The next arm with a mutant, behind a match that is complained of.
    fn first_arm_of(&self, complaint: &Complaint) -> Vec<u32> {
        let Some((file, line, _)) = complaint.places.first() else {
            return Vec::new();
        };
        let lines = self.embedded.get(file).map(|made| &made.lines);
        let arms = lines.into_iter().flatten().filter(|(number, lines)| {
            let genre = &self.cases[**number as usize - 1].mutant.genre;
            genre == "MatchArm" && lines.0 > *line
        });
        let first = arms.min_by_key(|(_, lines)| lines.0);
        first.map(|(number, _)| *number).into_iter().collect()
    }

    /// The mutants of functions that had to be constant, as a complaint says.
    fn in_functions_of(&self, complaint: &Complaint) -> Vec<u32> {
        let called = complaint.text.split('`').skip(1).step_by(2);
        let called: BTreeSet<&str> = called
            .map(|name| name.rsplit("::").next().unwrap_or(name))
            .map(|name| name.split(['(', '<']).next().unwrap_or(name))
            .filter(|name| {
                self.embedded
                    .values()
                    .any(|made| made.constant.contains(*name))
            })
            .collect();
        let numbered = (1..).zip(self.cases);
        let found = numbered.filter(|(_, case)| called.contains(case.mutant.function_name()));
        found.map(|(number, _)| number).collect()
    }

    fn decide(&mut self, number: u32, verdict: Verdict) -> Result<()> {
        let place = number as usize - 1;
        if self.verdicts[place].replace(verdict).is_none() {
            (self.on_verdict)(&self.cases[place], verdict)?;
        }
        Ok(())
    }

    /// Those that are built together and have no verdict.
    fn open(&self) -> Vec<(u32, &'b Case<'p>)> {
        let numbered = (1..).zip(self.cases);
        let is_open = |number: u32| {
            self.verdicts[number as usize - 1].is_none() && !self.alone.contains(&number)
        };
        numbered.filter(|(number, _)| is_open(*number)).collect()
    }

    fn run(&mut self, stage: Stage) -> Result<()> {
        let open = self.open();
        let tests = open.iter().flat_map(|(_, case)| stage.tests(&case.tests));
        let tests: BTreeSet<&'p Proof> = tests.collect();
        if tests.is_empty() {
            return Ok(());
        }
        let runner = loop {
            match self.prepare(stage, &tests)? {
                Compiled::Fine(runner) => break runner,
                Compiled::Not(complaints) => {
                    let mut excluded = 0;
                    for complaint in &complaints {
                        excluded += self.exclude(complaint)?;
                    }
                    if excluded == 0 {
                        Compiled::Not(complaints).programs()?;
                    }
                    println!("mutate: {excluded} of them do not compile, or not with others");
                    self.embed()?;
                }
            }
        };
        for (number, case) in open {
            if self.alone.contains(&number) {
                continue;
            }
            if let Some(verdict) = self.caught(&runner, stage, case, number)? {
                self.decide(number, verdict)?;
            }
        }
        Ok(())
    }

    /// What the first of a mutant's tests says that notices.
    fn caught(
        &self,
        runner: &Runner,
        stage: Stage,
        case: &Case<'p>,
        number: u32,
    ) -> Result<Option<Verdict>> {
        for test in stage.tests(&case.tests) {
            if self.unsound.contains(test) {
                continue;
            }
            match runner.outcome(test, number)? {
                Outcome::Passed => {}
                Outcome::Failed => return Ok(Some(Verdict::Caught)),
                Outcome::TimedOut => return Ok(Some(Verdict::TimedOut)),
            }
        }
        Ok(None)
    }

    /// Builds tests, and sees that they pass as long as no mutant is in force.
    fn prepare(&mut self, stage: Stage, tests: &BTreeSet<&'p Proof>) -> Result<Compiled> {
        let (name, count) = (stage.name(), tests.len());
        println!("mutate: building {count} {name}");
        let began = Instant::now();
        let runner = match build(self.copy, stage, tests)? {
            Compiled::Fine(runner) => runner,
            not => return Ok(not),
        };
        println!(
            "mutate: built, {}; running them on sound code",
            seconds(began.elapsed())
        );
        let began = Instant::now();
        for test in tests {
            if runner.outcome(test, 0)? == Outcome::Passed {
                continue;
            }
            let (outcome, output) = runner.run(test, 0)?;
            if outcome != Outcome::Passed {
                println!("mutate: {} fails without any mutant:\n{output}", test.test);
                self.unsound.insert(*test);
            }
        }
        println!("mutate: they ran, {}", seconds(began.elapsed()));
        Ok(Compiled::Fine(runner))
    }

    fn conclude_together(&mut self) -> Result<()> {
        for (number, _) in self.open() {
            self.decide(number, Verdict::Survived)?;
        }
        Ok(())
    }

    /// One build for each of those that cannot be built with others.
    fn judge_alone(&mut self) -> Result<()> {
        for number in self.alone.clone() {
            let cases = self.cases;
            let case = &cases[number as usize - 1];
            if self.verdicts[number as usize - 1].is_some() {
                continue;
            }
            let verdict = self.alone(case)?;
            self.copy
                .write(&case.mutant.file, &WorkingCopy::sound(&case.mutant.file)?)?;
            self.decide(number, verdict)?;
        }
        Ok(())
    }

    fn alone(&mut self, case: &Case<'p>) -> Result<Verdict> {
        for stage in Stage::ALL {
            let tests: BTreeSet<&'p Proof> = stage.tests(&case.tests).into_iter().collect();
            let sound = WorkingCopy::sound(&case.mutant.file)?;
            self.copy
                .write(&case.mutant.file, &self.with_switch(case, sound)?)?;
            if tests.is_empty() {
                continue;
            }
            self.prepare(stage, &tests)?.programs()?;
            let broken = WorkingCopy::broken(case.mutant)?;
            self.copy
                .write(&case.mutant.file, &self.with_switch(case, broken)?)?;
            let Compiled::Fine(runner) = build(self.copy, stage, &tests)? else {
                return Ok(Verdict::Unviable);
            };
            if let Some(verdict) = self.caught(&runner, stage, case, 0)? {
                return Ok(verdict);
            }
        }
        Ok(Verdict::Survived)
    }

    /// A root keeps its switch, which other files of its crate may need.
    fn with_switch(&self, case: &Case<'_>, text: String) -> Result<String> {
        let file = &case.mutant.file;
        let is_root = crate_root(self.copy.root(), file).is_some_and(|root| root == *file);
        Ok(if is_root { text + SWITCH } else { text })
    }
}

enum Compiled {
    Fine(Runner),
    Not(Vec<Complaint>),
}

impl Compiled {
    fn programs(self) -> Result<Runner> {
        match self {
            Self::Fine(runner) => Ok(runner),
            Self::Not(complaints) => {
                let texts: Vec<&str> = complaints.iter().map(|each| each.text.as_str()).collect();
                bail!("the working copy does not compile:\n{}", texts.join("\n"))
            }
        }
    }
}

fn build(copy: &WorkingCopy, stage: Stage, tests: &BTreeSet<&Proof>) -> Result<Compiled> {
    let agent_runner = match stage {
        Stage::Unit | Stage::Integration => None,
        Stage::System => {
            let programs = "build --workspace --bin agent-runner --example attach_load";
            let programs = programs.split(' ').map(str::to_owned);
            let built = cargo::build(copy, &programs.collect::<Vec<_>>())?;
            if !built.complaints.is_empty() {
                return Ok(Compiled::Not(built.complaints));
            }
            Some(built.path_of("agent-runner")?)
        }
    };
    let built = cargo::build(copy, &stage.build(tests))?;
    if !built.complaints.is_empty() {
        return Ok(Compiled::Not(built.complaints));
    }
    Ok(Compiled::Fine(Runner {
        programs: built.programs()?,
        agent_runner,
    }))
}

/// The root of the library a file belongs to.
fn crate_root(copy: &Path, file: &str) -> Option<String> {
    let (package, within) = file.split_once("/src/")?;
    let root = format!("{package}/src/lib.rs");
    let is_program = within == "main.rs" || within.starts_with("bin/");
    (!is_program && copy.join(&root).exists()).then_some(root)
}
