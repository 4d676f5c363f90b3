//! Records in order, thinned to what a chart can show: memory does not grow with their number.

use super::coverage::{Coverage, RuleCount};
use crate::verify::{Outcome, StepFacts};

/// Points that a timeline keeps at most.
pub const MAX_POINTS: usize = 512;

/// What a rule came to over the records of one point: the worst of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// No record has anything it is about.
    NotApplicable,
    /// It holds.
    Holds,
    /// It could decide nothing for one.
    Vacuous,
    /// It was not put to one: the record could not be read, or its form is broken.
    NotReached,
    /// It is broken for one.
    Broken,
}

/// Records next to each other.
#[derive(Debug, Clone)]
pub struct Point {
    /// The first one's place, counted from 0.
    pub first: u64,
    /// How many they are.
    pub count: u64,
    /// The first one's facts.
    pub facts: Option<StepFacts>,
    /// What each rule came to, in the rules' order.
    pub cells: Vec<Cell>,
    /// The worst outcome.
    pub outcome: Outcome,
}

/// Records in order, in at most [`MAX_POINTS`] points of equal width.
#[derive(Debug, Clone)]
pub struct Timeline {
    points: Vec<Point>,
    /// Records in a full point.
    width: u64,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { points: Vec::new(), width: 1 }
    }
}

impl Timeline {
    /// Adds the next record: its facts, and what the rules came to over it.
    pub fn push(&mut self, facts: Option<StepFacts>, coverage: &Coverage, outcome: Outcome) {
        let cell = |(_, _, count): (_, _, &RuleCount)| {
            if count.broken > 0 {
                Cell::Broken
            } else if count.not_reached > 0 || coverage.unjudged > 0 {
                Cell::NotReached
            } else if count.vacuous > 0 {
                Cell::Vacuous
            } else if count.holds > 0 {
                Cell::Holds
            } else {
                Cell::NotApplicable
            }
        };
        let cells = coverage.rows().map(cell).collect();
        self.add(Point { first: self.records(), count: 1, facts, cells, outcome });
    }

    /// Adds the records of another after these.
    pub fn append(&mut self, other: &Self) {
        let offset = self.records();
        for point in &other.points {
            self.add(Point { first: offset + point.first, ..point.clone() });
        }
    }

    fn add(&mut self, point: Point) {
        match self.points.last_mut() {
            Some(last) if last.count < self.width => last.merge(&point),
            Some(_) => self.points.push(point),
            // Most inputs are one record, and a pack holds thousands.
            None => self.points = vec![point],
        }
        if self.points.len() > MAX_POINTS {
            let halved = self.points.chunks(2).map(|pair| {
                let mut one = pair[0].clone();
                pair[1..].iter().for_each(|other| one.merge(other));
                one
            });
            self.points = halved.collect();
            self.width *= 2;
        }
    }

    /// How many records there are.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.points.last().map_or(0, |point| point.first + point.count)
    }

    /// The points, in order.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Records in a full point: 1 when every record has a point of its own.
    #[must_use]
    pub fn width(&self) -> u64 {
        self.points.iter().map(|point| point.count).max().unwrap_or(1)
    }
}

impl Point {
    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.facts = self.facts.or(other.facts);
        self.outcome = self.outcome.max(other.outcome);
        for (cell, add) in self.cells.iter_mut().zip(&other.cells) {
            *cell = (*cell).max(*add);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::rule::Verdict;
    use crate::reconcile::rules::RULES;

    #[test]
    fn a_long_timeline_is_thinned_and_a_broken_record_stays_broken() {
        let mut timeline = Timeline::default();
        let sound = Coverage::default();
        let mut broken = Coverage::default();
        broken.add_verdict(&RULES[3], &Verdict::Broken(Vec::new()));
        for place in 0..100_000_u32 {
            let outcome = if place == 77_777 { Outcome::Fail } else { Outcome::Pass };
            timeline.push(None, if place == 77_777 { &broken } else { &sound }, outcome);
        }
        assert_eq!(timeline.records(), 100_000);
        assert!((MAX_POINTS / 2..=MAX_POINTS).contains(&timeline.points().len()));
        let at: Vec<&Point> =
            timeline.points().iter().filter(|point| point.cells[3] == Cell::Broken).collect();
        assert_eq!(at.len(), 1);
        assert!((at[0].first..at[0].first + at[0].count).contains(&77_777));
        assert_eq!(at[0].outcome, Outcome::Fail);
        let mut both = timeline.clone();
        both.append(&timeline);
        assert_eq!(both.records(), 200_000);
        assert!(both.points().len() <= MAX_POINTS);
    }
}
