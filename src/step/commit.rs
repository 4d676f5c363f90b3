//! Commitments to the steps of a run, published while it runs, and what a later beacon asks to be revealed.
//!
//! ```text
//! root(k)  = Merkle root (RFC 6962) over the leaves of p1, m1, v1 or b1, and g, and over frozen, settings and batch
//! chain(0) = SHA-256("tensor-step.v1 chain" LF head), the head as its line is written: what may be asked for is bound too
//! chain(k) = SHA-256(chain(k-1) root(k) k as eight bytes, most significant first)
//! ask      = SHA-256(chain(last) beacon), from which steps, tensors and modules are drawn
//! ```

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::judge::{Row, State};
use super::leaf::Leaf;
use super::record::{Record, Refusal, Update};
use super::rule;
use crate::digest::Digest;
use crate::json;

/// The digest over texts and digests, one after the other.
fn hash(parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    Digest::from_bytes(hasher.finalize().into())
}

/// The Merkle root over leaves (RFC 6962, 2.1).
fn merkle(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => hash(&[]),
        [leaf] => *leaf,
        leaves => {
            let half = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(half);
            hash(&[&[1], merkle(left).as_bytes(), merkle(right).as_bytes()])
        }
    }
}

/// The settings of a step as a commitment holds them; numbers are the bits of their float64, in hexadecimal.
#[must_use]
pub fn settings(record: &Record) -> String {
    let bits = |value: f64| format!("{:016x}", value.to_bits());
    let mut text = format!(
        "run {}\nstep {}\noptimizer {}\n",
        Digest::of(record.run.as_bytes()),
        record.step,
        record.class
    );
    for group in &record.groups {
        let (lr, wd) = (bits(group.lr), bits(group.weight_decay));
        let _ = match group.update {
            Update::Adam { beta1, beta2, eps, decoupled } => {
                writeln!(text, "adam {lr} {wd} {} {} {} {decoupled}", bits(beta1), bits(beta2), bits(eps))
            }
            Update::Sgd { momentum, dampening, nesterov } => {
                writeln!(text, "sgd {lr} {wd} {} {} {nesterov}", bits(momentum), bits(dampening))
            }
        };
    }
    if let Some(clip) = record.clip {
        let _ = writeln!(text, "clip {} {}", bits(clip.max_norm), bits(clip.total_norm));
    }
    for param in &record.params {
        let _ = writeln!(text, "param {} {} {}", param.name, param.group, param.timestep);
    }
    text
}

/// The root that a step commits to; `leaves` are those of its payload.
#[must_use]
pub fn root(record: &Record, leaves: &[Leaf]) -> Digest {
    let committed = |key: &str| ["p1/", "m1/", "v1/", "b1/", "g/"].iter().any(|role| key.starts_with(role));
    let mut leaves: Vec<Leaf> = leaves.iter().filter(|leaf| committed(&leaf.key)).cloned().collect();
    for param in &record.params {
        let stated = [
            ("p1", param.digests.p1),
            ("m1", param.digests.m1),
            ("v1", param.digests.v1),
            ("b1", param.digests.b1),
        ];
        for (role, digest) in stated {
            let key = format!("{role}/{}", param.name);
            if let Some(digest) = digest
                && leaves.iter().all(|leaf| leaf.key != key)
            {
                let dtype = super::payload::dtype(param.dtype).to_owned();
                leaves.push(Leaf { key, dtype, shape: param.shape.clone(), digest });
            }
        }
    }
    leaves.sort_by(|a, b| a.key.cmp(&b.key));
    let plain =
        |key: &str, digest: Digest| Leaf { key: key.to_owned(), dtype: String::new(), shape: vec![], digest };
    leaves.push(plain("frozen", record.frozen.root1));
    leaves.push(plain("settings", Digest::of(settings(record).as_bytes())));
    leaves.push(plain("batch", record.batch.unwrap_or_else(|| Digest::of(b""))));
    let hashes: Vec<Digest> = leaves.iter().map(|leaf| hash(&[&[0], leaf.text().as_bytes()])).collect();
    merkle(&hashes)
}

/// The commitments of a run, their chain checked.
#[derive(Debug, Clone)]
pub struct Commits {
    run: String,
    warmup: u64,
    tensors: Vec<String>,
    modules: Vec<String>,
    roots: Vec<Digest>,
    last: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: String,
    run: String,
    #[serde(default)]
    warmup: u64,
    tensors: Vec<String>,
    #[serde(default)]
    modules: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    step: u64,
    root: Digest,
    chain: Digest,
}

/// The chain before the first step, over the line of the head.
fn genesis(head: &[u8]) -> Digest {
    hash(&[b"tensor-step.v1 chain\n", head])
}

impl Commits {
    /// The commitments that lines of JSON hold: a head, then one line for each step from the first.
    ///
    /// # Errors
    /// [`Refusal`] for a line that is no commitment, a step that is missing, and a chain that breaks.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let refused =
            |number: usize, reason: String| Refusal::Record { at: format!("line {}", number + 1), reason };
        let mut lines = bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
        let (_, line) = lines.next().ok_or_else(|| refused(0, "nothing is committed to".to_owned()))?;
        let head: Head =
            serde_json::from_value(json::parse(line)?).map_err(|error| refused(0, error.to_string()))?;
        if head.format != "tensor-step-commits.v1" {
            return Err(refused(0, format!("{:?} is not \"tensor-step-commits.v1\"", head.format)));
        }
        let (mut roots, mut last) = (Vec::new(), genesis(line));
        for (number, line) in lines {
            let line: Line = serde_json::from_value(json::parse(line)?)
                .map_err(|error| refused(number, error.to_string()))?;
            if line.step != roots.len() as u64 + 1 {
                return Err(refused(
                    number,
                    format!("step {}, where {} follows", line.step, roots.len() + 1),
                ));
            }
            last = hash(&[last.as_bytes(), line.root.as_bytes(), &line.step.to_be_bytes()]);
            if last != line.chain {
                return Err(refused(
                    number,
                    format!("the chain is {last} here, and the line states {}", line.chain),
                ));
            }
            roots.push(line.root);
        }
        let names: BTreeSet<&String> = head.tensors.iter().collect();
        if roots.is_empty() || head.tensors.is_empty() || names.len() != head.tensors.len() {
            return Err(refused(0, "steps and tensors are committed to, each tensor once".to_owned()));
        }
        let Head { run, warmup, tensors, modules, .. } = head;
        Ok(Self { run, warmup, tensors, modules, roots, last })
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// How many steps are committed to.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.roots.len() as u64
    }

    /// The chain after the last step.
    #[must_use]
    pub const fn last(&self) -> Digest {
        self.last
    }

    /// Whether a step with these leaves is the one that was committed to.
    #[must_use]
    pub fn holds(&self, record: &Record, leaves: &[Leaf]) -> Row {
        let derived = root(record, leaves);
        let stated = usize::try_from(record.step - 1).ok().and_then(|index| self.roots.get(index)).copied();
        let broken = stated != Some(derived) || record.run != self.run;
        let note = stated.map_or_else(
            || format!("no commitment to step {} of {:?}", record.step, record.run),
            |stated| format!("the step's root is {derived}, and the commitment {stated}"),
        );
        Row::held(&rule::COMMIT, 1, u64::from(broken), note)
    }

    /// What a beacon asks for.
    #[must_use]
    pub fn challenge(&self, beacon: &[u8], steps: u64, tensors: usize) -> Challenge {
        let seed = hash(&[b"tensor-step.v1 challenge\n", self.last.as_bytes(), beacon]);
        let mut draw = Draw::new(seed);
        let last = self.steps();
        let mut asked: BTreeSet<u64> = [1, last].into();
        if self.warmup > 1 {
            asked.insert(1 + draw.below(self.warmup.min(last)));
        }
        // Pairs of neighbours, so that what one left can be compared with what the next one found.
        while (asked.len() as u64) < steps.min(last) {
            let first = 1 + draw.below(last - 1);
            asked.extend([first, first + 1]);
        }
        let asked = asked
            .into_iter()
            .map(|step| Asked {
                step,
                tensors: draw.some(&self.tensors, tensors),
                modules: draw.some(&self.modules, tensors),
            })
            .collect();
        Challenge { seed, steps: asked }
    }
}

/// Whether a step stands where its record says that it stands in a published tree.
#[must_use]
pub fn included(record: &Record, leaves: &[Leaf]) -> Row {
    let Some(commit) = &record.commit else { return Row::new(&rule::COMMIT, State::NotApplicable) };
    let mut node = root(record, leaves);
    let mut index = commit.index;
    for sibling in &commit.proof {
        let (left, right) = if index & 1 == 0 { (&node, sibling) } else { (sibling, &node) };
        node = hash(&[&[1], left.as_bytes(), right.as_bytes()]);
        index >>= 1;
    }
    let broken = node != commit.root || index != 0;
    let reason = format!("its proof leads to {node}, and the record states {}", commit.root);
    Row::held(&rule::COMMIT, 1, u64::from(broken), reason)
}

/// What is to be revealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// What everything was drawn from.
    pub seed: Digest,
    /// The steps, in their order.
    pub steps: Vec<Asked>,
}

/// A step that is to be revealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which, counted from 1.
    pub step: u64,
    /// Its tensors.
    pub tensors: Vec<String>,
    /// The modules whose gradients are to be shown.
    pub modules: Vec<String>,
}

/// Numbers that follow from a seed: the digests of the seed and a counter.
pub(super) struct Draw {
    seed: Digest,
    counter: u64,
}

impl Draw {
    pub(super) const fn new(seed: Digest) -> Self {
        Self { seed, counter: 0 }
    }

    fn next(&mut self) -> u64 {
        let digest = hash(&[self.seed.as_bytes(), &self.counter.to_be_bytes()]);
        self.counter += 1;
        u64::from_be_bytes(digest.as_bytes()[..8].try_into().expect("a digest has 32 bytes"))
    }

    /// A number below `bound`, every one as likely.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let fair = u64::MAX - u64::MAX % bound;
        loop {
            let number = self.next();
            if number < fair {
                return number % bound;
            }
        }
    }

    /// Some of the names, without repetition, in their order.
    fn some(&mut self, names: &[String], count: usize) -> Vec<String> {
        let mut left: Vec<usize> = (0..names.len()).collect();
        let mut chosen = BTreeSet::new();
        while chosen.len() < count && !left.is_empty() {
            let at = usize::try_from(self.below(left.len() as u64)).expect("less than the length of a list");
            chosen.insert(left.swap_remove(at));
        }
        chosen.into_iter().map(|index| names[index].clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_that_of_rfc_6962() {
        let leaf = |byte: u8| hash(&[&[0], &[byte]]);
        let (a, b, c) = (leaf(1), leaf(2), leaf(3));
        let two = hash(&[&[1], a.as_bytes(), b.as_bytes()]);
        assert_eq!(merkle(&[a]), a);
        assert_eq!(merkle(&[a, b]), two);
        assert_eq!(merkle(&[a, b, c]), hash(&[&[1], two.as_bytes(), c.as_bytes()]));
    }

    fn commits(steps: u64) -> String {
        let mut text = "{\"format\":\"tensor-step-commits.v1\",\"run\":\"r\",\"warmup\":3,\"tensors\":[\"a\",\"b\",\"c\"]}\n".to_owned();
        let mut last = genesis(text.trim_end().as_bytes());
        for step in 1..=steps {
            let root = hash(&[&step.to_be_bytes()]);
            last = hash(&[last.as_bytes(), root.as_bytes(), &step.to_be_bytes()]);
            let _ = writeln!(text, "{{\"step\":{step},\"root\":\"{root}\",\"chain\":\"{last}\"}}");
        }
        text
    }

    #[test]
    fn what_may_be_asked_for_is_bound_by_the_chain() {
        let text = commits(7);
        assert!(Commits::parse(text.as_bytes()).is_ok());
        for (before, after) in [("\"warmup\":3", "\"warmup\":0"), ("\"b\",\"c\"", "\"b\"")] {
            let edited = text.replacen(before, after, 1);
            assert_ne!(edited, text);
            assert!(Commits::parse(edited.as_bytes()).is_err(), "{after}");
        }
    }

    #[test]
    fn a_challenge_has_the_ends_a_warm_up_and_neighbours() {
        let commits = Commits::parse(commits(100).as_bytes()).unwrap();
        let challenge = commits.challenge(b"beacon", 9, 2);
        let steps: Vec<u64> = challenge.steps.iter().map(|asked| asked.step).collect();
        assert!(steps.len() >= 9 && steps[0] == 1 && steps.contains(&100), "{steps:?}");
        assert!(steps.iter().any(|step| steps.contains(&(step + 1))));
        assert!(challenge.steps.iter().all(|asked| asked.tensors.len() == 2 && asked.modules.is_empty()));
        assert_eq!(challenge, commits.challenge(b"beacon", 9, 2));
        assert_ne!(challenge, commits.challenge(b"another", 9, 2));
        assert_eq!(commits.challenge(b"", 1000, 5).steps.len(), 100);
        assert_eq!(Commits::parse(self::commits(1).as_bytes()).unwrap().challenge(b"", 5, 1).steps.len(), 1);
    }

    #[test]
    fn a_chain_that_breaks_is_refused() {
        let text = commits(4);
        let lines: Vec<&str> = text.lines().collect();
        let without = |gone: usize| {
            let kept = lines.iter().enumerate().filter(|(at, _)| *at != gone);
            kept.map(|(_, line)| *line).collect::<Vec<_>>().join("\n")
        };
        for gone in 0..4 {
            assert!(Commits::parse(without(gone).as_bytes()).is_err(), "without line {gone}");
        }
        // Without its last line a chain is shorter, and sound: the end is what must have been published.
        assert_eq!(Commits::parse(without(4).as_bytes()).unwrap().steps(), 3);
        let swapped = text.replacen(lines[2], lines[3], 1);
        assert!(Commits::parse(swapped.as_bytes()).is_err());
        assert!(Commits::parse(b"").is_err());
    }
}
