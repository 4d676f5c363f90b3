//! Canonical bytes read back, without a tree in between: the mirror of the writer, key by key.
//!
//! What [`read`] takes is strict JSON, keeps the schema of the version it names, and is byte for byte what the writer
//! makes of the receipt that comes out. It takes less than the general reader admits (a text with an escape in it, say)
//! and gives no reasons: where it takes nothing, the general reader judges.
//!
//! Why each of the three holds: between the tokens only the writer's own literals are taken, so there is no white space,
//! no key out of place, none unknown and none twice (maps follow the topology's names, and a name that repeats is
//! refused). A number is taken only in the one text that the writer has for it (see [`Scanner::number`]), a text only
//! where the writer would not escape. What the schema asks beyond shape is asked here, value by value.

mod head;
mod pass;

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::Order;
use super::scanner::{Scanner, require};
use crate::receipt::id::UnitId;
use crate::receipt::version::{Block, ReceiptVersion};
use crate::receipt::wire::{Backward, Optimizer, Ordered, Receipt, Text, Unit};

/// The receipt that canonical bytes hold; `None` where they are not canonical, or it takes more to say.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Receipt> {
    let mut scanner = Scanner::new(bytes);
    scanner.literal("{\"schema_version\":")?;
    let version = scanner.text()?.parse().ok()?;
    let mut reader = Reader { scanner, version, round: Round::default() };
    let receipt = reader.receipt()?;
    reader.scanner.literal("}\n")?;
    reader.scanner.is_at_end().then_some(receipt)
}

struct Reader<'a> {
    scanner: Scanner<'a>,
    version: ReceiptVersion,
    round: Round,
}

/// Texts that a record says again and again: names of units, where factors come from. They come round one after another,
/// or each several times on end, so the likely ones are looked for before anything is read.
#[derive(Default)]
struct Known {
    texts: Vec<Text>,
    last: usize,
}

impl Known {
    /// Texts that are held: those of two layers.
    const MOST: usize = 128;

    fn text(&mut self, scanner: &mut Scanner<'_>) -> Option<Text> {
        self.one(scanner, Scanner::text)
    }

    /// As [`Self::text`], of texts that can name something.
    fn name(&mut self, scanner: &mut Scanner<'_>) -> Option<Text> {
        self.one(scanner, Scanner::name)
    }

    /// One that is known, or a new one as `read` reads it. All of `self` are read by the same.
    #[inline]
    fn one<'a>(
        &mut self,
        scanner: &mut Scanner<'a>,
        read: impl FnOnce(&mut Scanner<'a>) -> Option<&'a str>,
    ) -> Option<Text> {
        for place in [self.last + 1, self.last, 0] {
            if let Some(known) = self.texts.get(place)
                && scanner.follows_text(known)
            {
                self.last = place;
                return Some(known.clone());
            }
        }
        let text = read(scanner)?;
        if let Some(place) = self.texts.iter().position(|known| known == text) {
            self.last = place;
            return self.texts.get(place).cloned();
        }
        let new = Text::new(text);
        if self.texts.len() < Self::MOST {
            self.last = self.texts.len();
            self.texts.push(new.clone());
        }
        Some(new)
    }
}

/// What comes round in a record, by where it stands.
#[derive(Default)]
struct Round {
    /// The first and the second factor's source.
    sources: [Known; 2],
    from_units: Known,
    to_units: Known,
    outputs: Known,
    optimizer: Option<Optimizer>,
    /// The ends of the topology's weights.
    ends: [Known; 2],
}

impl<'a> Reader<'a> {
    /// Whether the version has a block.
    fn admits(&self, block: Block) -> bool {
        self.version >= block.since()
    }

    fn is_first(&self) -> bool {
        self.version == ReceiptVersion::V0_1_0
    }

    fn receipt(&mut self) -> Option<Receipt> {
        self.scanner.literal(",\"fixture\":")?;
        let fixture = self.scanner.text()?.to_owned();
        self.scanner.literal(",\"step\":")?;
        let step = self.positive()?;
        self.scanner.literal(",\"fixture_status\":")?;
        let fixture_status = self.labels()?;
        let source_framework = self.member(",\"source_framework\":", Self::framework)?;
        let attestor = self.member(",\"attestor\":", Self::attestor)?;
        self.scanner.literal(",\"metadata\":")?;
        let metadata = self.metadata()?;
        self.scanner.literal(",\"numeric_policy\":")?;
        let numeric_policy = self.numeric_policy()?;
        self.scanner.literal(",\"bias_policy\":")?;
        let bias_policy = self.bias_policy()?;
        self.scanner.literal(",\"topology\":")?;
        let topology = self.topology()?;
        let order = Order::of(&topology);
        self.scanner.literal(",\"learning_rate\":")?;
        let learning_rate = self.learning_rate()?;
        let optimizer_config = self.member(",\"optimizer_config\":", Self::optimizer_config)?;
        let trace_id = self.member(",\"trace_id\":", Self::trace_id)?;
        let step_index = self.member(",\"step_index\":", |reader| reader.scanner.integer())?;
        require(trace_id.is_some() == step_index.is_some())?;
        let batch = self.member(",\"batch\":", Self::batch)?;
        self.scanner.literal(",\"inputs\":")?;
        let inputs = self.numbers(&order.input)?;
        self.scanner.literal(",\"targets\":")?;
        let targets = self.numbers(&order.output)?;
        self.scanner.literal(",\"parameters_before\":")?;
        let parameters_before = self.numbers(&order.parameters)?;
        let per_sample = match &batch {
            Some(batch) => self.member(",\"per_sample\":", |reader| {
                reader.map(&batch.sample_order, |reader| reader.sample(&order))
            })?,
            None => None,
        };
        self.scanner.literal(",\"forward\":")?;
        let forward = self.units(&order)?;
        self.scanner.literal(",\"loss\":{")?;
        let loss = self.loss(&order, batch.as_ref())?;
        self.scanner.literal(",\"backward\":{\"output_error_signals\":")?;
        let output_error_signals = self.map(&order.output, Self::output_signal)?;
        self.scanner.literal(",\"hidden_error_signals\":")?;
        let hidden_error_signals = self.map(&order.hidden, Self::hidden_signal)?;
        self.scanner.literal("},\"updates\":")?;
        let mut expected = order.parameters.iter();
        let updates = self.list(order.parameters.len(), |reader| reader.update(expected.next()))?;
        require(!updates.is_empty())?;
        self.scanner.literal(",\"parameters_after\":")?;
        let parameters_after = self.numbers(&order.parameters)?;
        self.scanner.literal(",\"post_update_forward\":{\"status\":")?;
        let post_update_forward = self.post_update_forward(&order)?;
        self.scanner.literal(",\"post_update_loss\":{\"status\":")?;
        let post_update_loss = self.post_update_loss(&order)?;
        Some(Receipt {
            schema_version: self.version.as_str().to_owned(),
            fixture,
            step,
            fixture_status,
            source_framework,
            attestor,
            metadata: Some(metadata),
            numeric_policy,
            bias_policy,
            topology,
            learning_rate,
            optimizer_config,
            trace_id,
            step_index,
            batch,
            inputs,
            targets,
            parameters_before,
            per_sample,
            forward,
            loss,
            backward: Backward { output_error_signals, hidden_error_signals },
            updates,
            parameters_after,
            post_update_forward: Some(post_update_forward),
            post_update_loss: Some(post_update_loss),
            unit_order: None,
            parameter_order: None,
        })
    }

    fn units(&mut self, order: &Order) -> Option<Ordered<UnitId, Unit>> {
        self.scanner.literal("{")?;
        let units = self.members(order.computed_count(), order.computed(), Self::unit)?;
        self.scanner.literal("}")?;
        Some(units)
    }

    fn numbers<K: AsRef<str> + Clone>(&mut self, order: &[K]) -> Option<Ordered<K, f64>> {
        self.map(order, |reader| reader.scanner.number())
    }

    /// A map in a given order. The names of an order differ, those of hidden units from those of outputs too:
    /// [`Self::names`] and [`Self::topology`] see to it.
    fn map<K: AsRef<str> + Clone, V>(
        &mut self,
        order: &[K],
        value: impl FnMut(&mut Self) -> Option<V>,
    ) -> Option<Ordered<K, V>> {
        self.scanner.literal("{")?;
        let map = self.members(order.len(), order.iter(), value)?;
        self.scanner.literal("}")?;
        Some(map)
    }

    /// The members of a map, within an object that is open.
    fn members<'k, K: AsRef<str> + Clone + 'k, V>(
        &mut self,
        count: usize,
        order: impl Iterator<Item = &'k K>,
        mut value: impl FnMut(&mut Self) -> Option<V>,
    ) -> Option<Ordered<K, V>> {
        let mut entries = Vec::with_capacity(count);
        for name in order {
            if !entries.is_empty() {
                self.scanner.literal(",")?;
            }
            self.scanner.key(name.as_ref())?;
            entries.push((name.clone(), value(self)?));
        }
        Some(Ordered::of_distinct(entries))
    }

    fn list<T>(&mut self, expected: usize, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.scanner.literal("[")?;
        if self.scanner.follows("]") {
            return Some(Vec::new());
        }
        let mut items = Vec::with_capacity(expected);
        loop {
            items.push(item(self)?);
            if !self.scanner.follows(",") {
                break;
            }
        }
        self.scanner.literal("]")?;
        Some(items)
    }

    /// A list of names, at least one and none twice, and none that is taken.
    fn names<K: From<&'a str>>(&mut self, taken: impl Fn(&str) -> bool) -> Option<Vec<K>> {
        let mut seen = HashSet::with_capacity_and_hasher(64, RandomState::default());
        let names = self.list(16, |reader| {
            let name = reader.scanner.name()?;
            require(seen.insert(name) && !taken(name))?;
            Some(K::from(name))
        })?;
        (!names.is_empty()).then_some(names)
    }

    /// A member that may stand; the outer `None` refuses.
    #[expect(clippy::option_option, reason = "refused, absent and present are three things")]
    fn member<T>(
        &mut self,
        key: &'static str,
        value: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.scanner.follows(key) { value(self).map(Some) } else { Some(None) }
    }

    fn one_of(&mut self, words: &[&str]) -> Option<String> {
        let text = self.scanner.text()?;
        words.contains(&text).then(|| text.to_owned())
    }

    fn filled(&mut self) -> Option<String> {
        let text = self.scanner.text()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn sha256(&mut self) -> Option<String> {
        let text = self.scanner.text()?;
        is_hexadecimal(text.strip_prefix("sha256:")?, 64).then(|| text.to_owned())
    }

    fn positive(&mut self) -> Option<u64> {
        self.scanner.integer().filter(|number| *number > 0)
    }

    fn learning_rate(&mut self) -> Option<f64> {
        self.scanner.number().filter(|rate| *rate > 0.0)
    }
}

fn is_hexadecimal(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
