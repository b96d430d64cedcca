//! Chains of deltas: which belong to one, in which order, and what is missing.

use std::collections::{HashMap, HashSet};

use super::catalogue::{Catalogue, Checkpoint, Form};
use crate::error::{Damage, Error, Result};

/// The deltas of a catalogue by what they build on.
pub(super) struct Chains<'c> {
    by_id: HashMap<&'c str, &'c Checkpoint>,
    /// Deltas of one base, by sequence.
    by_base: HashMap<&'c str, Vec<&'c Checkpoint>>,
}

/// A checkpoint and the deltas to be made to it, in order.
pub(super) struct Chain<'c> {
    /// The full checkpoint.
    pub base: &'c Checkpoint,
    /// The deltas.
    pub links: Vec<&'c Checkpoint>,
}

fn sequence(checkpoint: &Checkpoint) -> u64 {
    checkpoint.sequence.unwrap_or_default()
}

impl<'c> Chains<'c> {
    /// The chains of `catalogue`.
    pub fn of(catalogue: &'c Catalogue) -> Self {
        let mut chains = Chains { by_id: HashMap::new(), by_base: HashMap::new() };
        for checkpoint in &catalogue.checkpoints {
            // A full checkpoint is a better base than a delta that happens to have its id.
            match chains.by_id.get(checkpoint.id.as_str()) {
                Some(known) if known.form != Form::Incremental => {}
                _ => {
                    chains.by_id.insert(&checkpoint.id, checkpoint);
                }
            }
            if let Some(base) = &checkpoint.base {
                chains.by_base.entry(base).or_default().push(checkpoint);
            }
        }
        for links in chains.by_base.values_mut() {
            links.sort_by_key(|link| (sequence(link), link.key.as_str()));
        }
        chains
    }

    /// The chain that ends in `checkpoint`.
    ///
    /// # Errors
    /// Corrupt where it has no base, has a gap, has two deltas in one place, or goes in circles.
    pub fn to(&self, checkpoint: &'c Checkpoint) -> Result<Chain<'c>> {
        let mut seen = HashSet::new();
        let mut newest_first: Vec<&Checkpoint> = Vec::new();
        let mut current = checkpoint;
        loop {
            let base_id = current.base.as_deref().unwrap_or_default();
            if !seen.insert(base_id) {
                return Err(circle().at(current.key.clone()));
            }
            let base = self.base(base_id).map_err(|error| error.at(current.key.clone()))?;
            let group = self.by_base.get(base_id).map(Vec::as_slice).unwrap_or_default();
            let until = group.iter().take_while(|link| sequence(link) <= sequence(current));
            let links: Vec<&Checkpoint> = until.copied().collect();
            if let Some(error) = gaps(base, &links).into_iter().next() {
                return Err(error.1.at(error.0));
            }
            newest_first.extend(links.into_iter().rev());
            if base.form != Form::Incremental {
                newest_first.reverse();
                return Ok(Chain { base, links: newest_first });
            }
            current = base;
        }
    }

    fn base(&self, id: &str) -> Result<&'c Checkpoint> {
        self.by_id
            .get(id)
            .copied()
            .ok_or_else(|| Error::damaged(Damage::Missing, &format!("the base {id}"), id, "nothing"))
    }

    /// Everything that is wrong with the chains, by the key of the record concerned.
    pub fn problems(&self) -> Vec<(String, Error)> {
        let mut problems = Vec::new();
        for (base_id, links) in &self.by_base {
            match self.base(base_id) {
                Ok(base) => problems.extend(gaps(base, links)),
                Err(error) => problems.extend(links.iter().map(|link| (link.key.clone(), error.clone()))),
            }
        }
        problems.extend(self.circles());
        problems.sort_by(|a, b| a.0.cmp(&b.0));
        problems
    }

    /// Deltas whose bases lead back to them, one for each circle.
    fn circles(&self) -> Vec<(String, Error)> {
        let mut found = Vec::new();
        // Bases that lead nowhere new.
        let mut done: HashSet<&str> = HashSet::new();
        for start in self.by_base.keys() {
            let mut path: HashSet<&str> = HashSet::new();
            let mut current = *start;
            while !done.contains(current) {
                if !path.insert(current) {
                    found.push((self.first_of_circle(current), circle()));
                    break;
                }
                match self.by_id.get(current).and_then(|base| base.base.as_deref()) {
                    Some(base) => current = base,
                    None => break,
                }
            }
            done.extend(path);
        }
        found
    }
}

impl Chains<'_> {
    /// The first by key of the deltas in the circle that `id` is in, whatever order it was found in.
    fn first_of_circle(&self, id: &str) -> String {
        let mut first: Option<&str> = None;
        let mut current = id;
        while let Some(link) = self.by_id.get(current) {
            first = Some(first.map_or(link.key.as_str(), |first| first.min(&link.key)));
            match link.base.as_deref() {
                Some(base) if base != id => current = base,
                _ => break,
            }
        }
        first.unwrap_or(id).to_owned()
    }
}

/// Where a chain ends, and how the next delta goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainEnd<'c> {
    /// Its last delta.
    pub last: &'c Checkpoint,
    /// The base of the next delta: as the chain has it, the one of all or the delta before.
    pub base: &'c str,
    /// The next delta's sequence.
    pub sequence: u64,
    /// Bytes of its deltas' records.
    pub delta_bytes: u64,
}

/// The ends of all chains that are sound, by key.
pub fn chain_ends(catalogue: &Catalogue) -> Vec<ChainEnd<'_>> {
    let chains = Chains::of(catalogue);
    let mut ends: Vec<ChainEnd<'_>> = chains.by_base.values().filter_map(|links| chains.end(links)).collect();
    ends.sort_by_key(|end| end.last.key.as_str());
    ends
}

impl<'c> Chains<'c> {
    /// The end of the chain with the deltas `links` of one base.
    fn end(&self, links: &[&'c Checkpoint]) -> Option<ChainEnd<'c>> {
        let last = *links.last()?;
        // One that another chain goes on from is not the end.
        if self.by_base.contains_key(last.id.as_str()) {
            return None;
        }
        let chain = self.to(last).ok()?;
        let base = self.base(last.base.as_deref()?).ok()?;
        let base = match base.form {
            // Another checkpoint with its id would be taken for the base.
            Form::Incremental if self.base(&last.id).ok() != Some(last) => return None,
            Form::Incremental => &last.id,
            _ => &base.id,
        };
        let delta_bytes = chain.links.iter().filter_map(|link| link.stored_bytes).sum();
        Some(ChainEnd { last, base, sequence: sequence(last).checked_add(1)?, delta_bytes })
    }
}

fn circle() -> Error {
    Error::corrupt("the chain of its bases leads back to itself")
}

/// Where the sequences of one base's deltas have gaps or come twice. The first is 0 or 1, or
/// follows that of the delta that is the base.
fn gaps(base: &Checkpoint, links: &[&Checkpoint]) -> Vec<(String, Error)> {
    let mut problems = Vec::new();
    let mut before: Option<u64> = None;
    for link in links {
        let found = sequence(link);
        let missing = match before {
            Some(before) if before == found => {
                let detail = format!("another delta of the base {} has the sequence {found} too", base.id);
                problems.push((link.key.clone(), Error::corrupt(detail)));
                None
            }
            Some(before) => (before + 1 != found).then_some(before + 1),
            None => {
                let follows = base.sequence.map(|sequence| sequence.saturating_add(1));
                (found > 1 && follows != Some(found)).then(|| follows.unwrap_or(1))
            }
        };
        if let Some(missing) = missing {
            let what = format!("the delta with the sequence {missing} on the base {}", base.id);
            problems.push((link.key.clone(), Error::damaged(Damage::Missing, &what, missing, found)));
        }
        before = Some(found);
    }
    problems
}
