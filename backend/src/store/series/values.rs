//! A row's values: as numbers where their text comes back from them, byte for byte.

use std::{collections::BTreeMap, sync::Arc};

use crate::domain::ports::values_text;

/// A row's values.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) enum Values {
    /// As numbers, each with its metric: their text is the one that was stored.
    Numbers(Vec<(Arc<str>, f64)>),
    /// A text that does not come back from numbers: that of what was erased, or of a silence.
    Text(String),
}

impl Values {
    /// Reads a stored text.
    pub(in crate::store) fn of(text: String, names: &mut Names) -> Self {
        if let Some(numbers) = plain(&text, names) {
            return Self::Numbers(numbers);
        }
        let numbers: Option<BTreeMap<String, f64>> = serde_json::from_str(&text).ok();
        let Some(numbers) = numbers.filter(|numbers| !numbers.is_empty()) else { return Self::Text(text) };
        let numbers: Vec<(String, f64)> = numbers.into_iter().collect();
        // Byte for byte, whoever has written it, and whenever.
        if values_text(&numbers) != text {
            return Self::Text(text);
        }
        Self::Numbers(numbers.into_iter().map(|(name, value)| (names.shared(&name), value)).collect())
    }

    /// The stored text.
    pub(in crate::store) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Numbers(_) => values_text(&self.numbers()),
        }
    }

    /// The number of a metric.
    pub(in crate::store) fn number(&self, metric: &str) -> Option<f64> {
        match self {
            Self::Numbers(numbers) => numbers.iter().find(|(name, _)| &**name == metric).map(|(_, value)| *value),
            Self::Text(_) => self.numbers().into_iter().find(|(name, _)| name == metric).map(|(_, value)| value),
        }
    }

    /// Shows each number with its metric; of a text that holds some, too.
    pub(super) fn each(&self, show: &mut dyn FnMut(&str, f64)) {
        match self {
            Self::Numbers(numbers) => numbers.iter().for_each(|(name, value)| show(name, *value)),
            Self::Text(_) => self.numbers().iter().for_each(|(name, value)| show(name, *value)),
        }
    }

    /// The numbers; of a text that holds some, too.
    pub(in crate::store) fn numbers(&self) -> Vec<(String, f64)> {
        match self {
            Self::Numbers(numbers) => numbers.iter().map(|(name, value)| (name.to_string(), *value)).collect(),
            Self::Text(text) => serde_json::from_str::<BTreeMap<String, f64>>(text)
                .map_or_else(|_| Vec::new(), |all| all.into_iter().collect()),
        }
    }
}

/// Names that occur again and again, each kept once.
#[derive(Default)]
pub(in crate::store) struct Names(BTreeMap<String, Arc<str>>);

impl Names {
    /// The one copy of a name.
    pub(in crate::store) fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(name);
        self.0.insert(name.to_owned(), Arc::clone(&new));
        new
    }
}

/// The numbers of a text as the service writes it, without a tree of it between: packing reads each text once, and
/// this takes a tenth of what a parser and a writer of JSON take. `None` if it is any other text, or a name is escaped.
fn plain(text: &str, names: &mut Names) -> Option<Vec<(Arc<str>, f64)>> {
    let mut rest = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut numbers: Vec<(Arc<str>, f64)> = Vec::new();
    let mut again = Vec::with_capacity(24);
    loop {
        let (name, after) = rest.strip_prefix('"')?.split_once('"')?;
        if name.bytes().any(|byte| byte == b'\\' || byte < b' ')
            || numbers.last().is_some_and(|(last, _)| **last >= *name)
        {
            return None;
        }
        let after = after.strip_prefix(':')?;
        let (number, others) = after.split_once(',').map_or((after, None), |(number, others)| (number, Some(others)));
        let value: f64 = number.parse().ok()?;
        again.clear();
        serde_json::to_writer(&mut again, &value).ok()?;
        if again != number.as_bytes() {
            return None;
        }
        numbers.push((names.shared(name), value));
        match others {
            Some(others) => rest = others,
            None => return Some(numbers),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_is_written_again_the_same_is_read_as_numbers() {
        let plain = |text: &str| plain(text, &mut Names::default()).is_some();
        for text in [r#"{"a":1.5}"#, r#"{"a":-0.25,"b":1e+300}"#, r#"{"a, b":1.0,"µ":2.0}"#] {
            assert!(plain(text), "{text}");
        }
        for text in [
            "",
            "{}",
            r#"{"a":1}"#,
            r#"{"a":1.50}"#,
            r#"{"b":1.0,"a":2.0}"#,
            r#"{"a":1.0,"a":1.0}"#,
            r#"{"a": 1.0}"#,
            r#"{"a":1.0,}"#,
            r#"{"a":inf}"#,
            r#"{"a":null}"#,
            r#"{"a\"":1.0}"#,
        ] {
            assert!(!plain(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_without_a_parser(
            values in proptest::collection::btree_map("[a-z,:µ]{1,3}", -1e18..1e18f64, 1..6),
        ) {
            let values: Vec<(String, f64)> = values.into_iter().collect();
            let text = values_text(&values);
            prop_assert!(plain(&text, &mut Names::default()).is_some());
            let read = Values::of(text.clone(), &mut Names::default());
            prop_assert_eq!(read.numbers(), values);
            prop_assert_eq!(read.text(), text);
        }
    }
}
