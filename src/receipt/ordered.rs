//! A map from names to values that keeps the order of the record.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::ops::Index;
use std::sync::OnceLock;

use foldhash::fast::RandomState;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::{Serialize, Serializer};

/// Names up to this many are looked at one by one.
const FEW: usize = 12;

/// A map from names to values, in the order of the record; no name stands twice.
///
/// A record names the same things in the same order again and again, so a name is mostly looked for where it stands: by its
/// place, without a table. One is made when a name is first looked for by itself.
#[derive(Clone)]
pub struct Ordered<K, V> {
    entries: Vec<(K, V)>,
    places: OnceLock<HashMap<K, usize, RandomState>>,
}

impl<K, V> Ordered<K, V> {
    /// Of entries whose names the caller knows to differ.
    pub(crate) fn of_distinct(entries: Vec<(K, V)>) -> Self {
        Self { entries, places: OnceLock::new() }
    }

    /// The entries, in order.
    #[must_use]
    pub fn entries(&self) -> &[(K, V)] {
        &self.entries
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> + Clone {
        self.entries.iter().map(|(name, value)| (name, value))
    }

    /// Names, in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &K> + Clone {
        self.entries.iter().map(|(name, _)| name)
    }

    /// Values, in order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &V> + Clone {
        self.entries.iter().map(|(_, value)| value)
    }

    /// Values, in order.
    pub fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, value)| value)
    }
}

impl<K: Clone + Hash + Eq, V> Ordered<K, V> {
    fn place(&self, name: &K) -> Option<usize> {
        if self.entries.len() <= FEW {
            return self.keys().position(|known| known == name);
        }
        let table = || self.keys().cloned().zip(0..).collect();
        self.places.get_or_init(table).get(name).copied()
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &K) -> Option<&V> {
        self.place(name).map(|place| &self.entries[place].1)
    }

    /// Whether a name stands.
    #[must_use]
    pub fn contains_key(&self, name: &K) -> bool {
        self.place(name).is_some()
    }

    /// Gives a name a value; answers the one that it had.
    pub fn insert(&mut self, name: K, value: V) -> Option<V> {
        if let Some(place) = self.place(&name) {
            return Some(std::mem::replace(&mut self.entries[place].1, value));
        }
        if let Some(places) = self.places.get_mut() {
            places.insert(name.clone(), self.entries.len());
        }
        self.entries.push((name, value));
        None
    }
}

/// The value of a name that stands.
impl<K: AsRef<str>, V> Index<&str> for Ordered<K, V> {
    type Output = V;

    fn index(&self, name: &str) -> &V {
        let found = self.iter().find(|(known, _)| known.as_ref() == name);
        found.map(|(_, value)| value).expect("a name that stands")
    }
}

impl<K, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Self::of_distinct(Vec::new())
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Ordered<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

/// The last value of a name that is given twice stands, in the place of the first.
impl<K: Clone + Hash + Eq, V> FromIterator<(K, V)> for Ordered<K, V> {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(entries: T) -> Self {
        let mut map = Self::default();
        for (name, value) in entries {
            map.insert(name, value);
        }
        map
    }
}

impl<K, V> IntoIterator for Ordered<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a Ordered<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter().map(|(name, value)| (name, value))
    }
}

impl<K: Serialize, V: Serialize> Serialize for Ordered<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, K, V> Deserialize<'de> for Ordered<K, V>
where
    K: Deserialize<'de> + Clone + Hash + Eq + AsRef<str>,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<K, V>(PhantomData<(K, V)>);

        impl<'de, K, V> Visitor<'de> for Members<K, V>
        where
            K: Deserialize<'de> + Clone + Hash + Eq + AsRef<str>,
            V: Deserialize<'de>,
        {
            type Value = Ordered<K, V>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut map = Ordered::default();
                while let Some((name, value)) = members.next_entry::<K, V>()? {
                    if map.insert(name.clone(), value).is_some() {
                        return Err(A::Error::custom(format_args!("{} stands twice", name.as_ref())));
                    }
                }
                Ok(map)
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;
    use proptest::prelude::*;

    use super::*;
    use crate::receipt::id::UnitId;

    #[test]
    fn a_name_that_stands_twice_is_refused() {
        let read = serde_json::from_str::<Ordered<UnitId, f64>>;
        assert_eq!(read(r#"{"b":1,"a":2}"#).unwrap().entries(), [("b".into(), 1.0), ("a".into(), 2.0)]);
        let error = read(r#"{"b":1,"a":2,"b":3}"#).unwrap_err().to_string();
        assert!(error.starts_with("b stands twice"), "{error}");
    }

    proptest! {
        #[test]
        fn it_is_an_index_map_by_every_question(
            steps in prop::collection::vec((0..40_u8, any::<u8>(), any::<bool>()), 0..80),
        ) {
            let (mut own, mut other) = (Ordered::default(), IndexMap::new());
            for (name, value, looked) in steps {
                let name = UnitId::from(format!("u{name}"));
                if looked {
                    prop_assert_eq!(own.get(&name), other.get(&name));
                    prop_assert_eq!(own.contains_key(&name), other.contains_key(&name));
                } else {
                    prop_assert_eq!(own.insert(name.clone(), value), other.insert(name, value));
                }
                prop_assert!(own.iter().eq(other.iter()) && own.keys().eq(other.keys()));
                prop_assert!(own.values().eq(other.values()) && own.len() == other.len());
            }
            let collected: Ordered<UnitId, u8> = own.clone().into_iter().collect();
            prop_assert!((&collected).into_iter().eq(&other));
        }
    }
}
