//! The publication: entries and payloads that travel in the anchoring transaction (docs/spec/anchor.md).

use crate::{
    entry::{MAX_ENTRY, MAX_PAYLOAD},
    evidence::Disclosure,
};

/// The most that one transaction carries: geth's pool takes 128 KiB, and the proof needs some of it.
pub const MAX_PUBLICATION: usize = 98_304;

/// The most that one item can take: an entry and a payload of full length, with salt and lengths.
pub const MAX_ITEM: usize = 2 + MAX_ENTRY + 1 + 32 + 2 + MAX_PAYLOAD;

const _: () = assert!(MAX_ITEM <= MAX_PUBLICATION, "a batch of one entry must fit");

/// One entry, with its payload where that is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The entry's bytes.
    pub entry: Vec<u8>,
    /// Its payload and salt.
    pub disclosure: Option<Disclosure>,
}

/// The bytes end within an item, or an item has a marker other than 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a publication: item {item} is cut short or malformed")]
pub struct PublicationError {
    /// Which item, from 0.
    pub item: usize,
}

impl Item {
    /// How many bytes the item takes in a publication.
    pub fn len(&self) -> usize {
        2 + self.entry.len() + 1 + self.disclosure.as_ref().map_or(0, |d| 32 + 2 + d.payload.len())
    }

    /// Never: an item has at least its lengths.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Writes items in their order.
///
/// # Panics
/// If an entry or a payload is longer than its format allows.
pub fn encode(items: &[Item]) -> Vec<u8> {
    let mut out = Vec::with_capacity(items.iter().map(Item::len).sum());
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).expect("the format's limit").to_be_bytes();
    for item in items {
        out.extend(length(&item.entry));
        out.extend(&item.entry);
        match &item.disclosure {
            None => out.push(0),
            Some(disclosure) => {
                out.push(1);
                out.extend(disclosure.salt);
                out.extend(length(&disclosure.payload));
                out.extend(&disclosure.payload);
            }
        }
    }
    out
}

/// Reads items; refuses bytes that do not end with an item.
///
/// # Errors
/// See [`PublicationError`].
pub fn decode(mut bytes: &[u8]) -> Result<Vec<Item>, PublicationError> {
    let mut items = Vec::new();
    while !bytes.is_empty() {
        items.push(item(&mut bytes).ok_or(PublicationError { item: items.len() })?);
    }
    Ok(items)
}

fn item(bytes: &mut &[u8]) -> Option<Item> {
    let entry = text(bytes)?;
    let disclosure = match take::<1>(bytes)? {
        [0] => None,
        [1] => Some(Disclosure { salt: take(bytes)?, payload: text(bytes)? }),
        _ => return None,
    };
    Some(Item { entry, disclosure })
}

fn text(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = u16::from_be_bytes(take(bytes)?) as usize;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(text.to_vec())
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_every_cut() {
        let items = vec![
            Item { entry: b"one".to_vec(), disclosure: None },
            Item {
                entry: b"two".to_vec(),
                disclosure: Some(Disclosure { payload: b"payload".to_vec(), salt: [3; 32] }),
            },
        ];
        let bytes = encode(&items);
        assert_eq!(bytes.len(), items.iter().map(Item::len).sum::<usize>());
        assert_eq!(decode(&bytes).unwrap(), items);
        for cut in 1..bytes.len() {
            let whole_first = cut == items[0].len();
            assert_eq!(decode(&bytes[..cut]).is_ok(), whole_first, "{cut}");
        }
        assert!(decode(&[0, 0, 2]).is_err());
    }
}
