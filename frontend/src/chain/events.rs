//! The contract's events, decoded from a node's JSON. Pure; malformed answers are refused, not guessed at.

use alloy_primitives::{Address, B256, hex, keccak256};
use ledger::Hash;
pub(crate) use ledger::chain::query::ANCHORED;
use serde_json::Value;

/// `Published(uint64 indexed firstIndex, bytes publication)`.
pub(crate) const PUBLISHED: &str = "Published(uint64,bytes)";

/// Where an event stands in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) block: u64,
    pub(crate) position: u64,
    pub(crate) transaction: B256,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A root was recorded.
    Anchored { root: Hash, size: u64, sequence: u64 },
    /// Entries were published, from this index on.
    Published { first_index: u64, publication: Vec<u8> },
}

/// An event in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) place: Place,
    pub(crate) event: Event,
}

/// A number as JSON-RPC writes it.
pub(crate) fn quantity(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// Reads the answer to `eth_getLogs`; `None` if any of it is not by the contract's interface.
pub(crate) fn read_all(answer: &Value, contracts: &[Address]) -> Option<Vec<Log>> {
    answer.as_array()?.iter().map(|log| read(log, contracts)).collect()
}

fn read(log: &Value, contracts: &[Address]) -> Option<Log> {
    if !contracts.contains(&log.get("address")?.as_str()?.parse().ok()?) {
        return None;
    }
    let topics: Vec<B256> =
        log.get("topics")?.as_array()?.iter().map(|topic| topic.as_str()?.parse().ok()).collect::<Option<_>>()?;
    let data = hex::decode(log.get("data")?.as_str()?).ok()?;
    let event = match topics.as_slice() {
        [signature, root, size] if *signature == keccak256(ANCHORED) => {
            let sequence = B256::try_from(data.as_slice()).ok()?;
            Event::Anchored { root: Hash(root.0), size: number(size)?, sequence: number(&sequence)? }
        }
        [signature, first] if *signature == keccak256(PUBLISHED) => {
            Event::Published { first_index: number(first)?, publication: bytes(&data)?.to_vec() }
        }
        _ => return None,
    };
    let place = Place {
        block: quantity(log.get("blockNumber")?)?,
        position: quantity(log.get("logIndex")?)?,
        transaction: log.get("transactionHash")?.as_str()?.parse().ok()?,
    };
    Some(Log { place, event })
}

/// A word that holds a `uint64`.
fn number(word: &B256) -> Option<u64> {
    let (high, low) = word.0.split_last_chunk::<8>()?;
    high.iter().all(|byte| *byte == 0).then(|| u64::from_be_bytes(*low))
}

/// ABI: a single `bytes` argument is its offset (32), its length, and its bytes padded to whole words.
fn bytes(data: &[u8]) -> Option<&[u8]> {
    let (offset, rest) = data.split_first_chunk::<32>()?;
    let (length, rest) = rest.split_first_chunk::<32>()?;
    if number(&B256::from(*offset))? != 32 {
        return None;
    }
    let length = usize::try_from(number(&B256::from(*length))?).ok()?;
    let (content, padding) = rest.split_at_checked(length)?;
    let whole = length.checked_next_multiple_of(32)? - length;
    (padding.len() == whole && padding.iter().all(|byte| *byte == 0)).then_some(content)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use serde_json::json;

    use super::*;

    const CONTRACT: Address = Address::repeat_byte(0xaa);

    fn word(number: u64) -> Vec<u8> {
        B256::from(U256::from(number)).to_vec()
    }

    fn log(topics: &[B256], data: &[u8]) -> Value {
        json!({
            "address": CONTRACT,
            "topics": topics,
            "data": hex::encode_prefixed(data),
            "blockNumber": "0x10",
            "logIndex": "0x1",
            "transactionHash": B256::repeat_byte(7),
        })
    }

    fn published(data: &[u8]) -> Option<Vec<Log>> {
        let topics = [keccak256(PUBLISHED), B256::from(U256::from(5))];
        read_all(&json!([log(&topics, data)]), &[CONTRACT])
    }

    #[test]
    fn reads_both_events() {
        let topics = [keccak256(ANCHORED), B256::repeat_byte(9), B256::from(U256::from(12))];
        let logs = read_all(&json!([log(&topics, &word(3))]), &[CONTRACT]).unwrap();
        assert_eq!(logs[0].event, Event::Anchored { root: Hash([9; 32]), size: 12, sequence: 3 });
        assert_eq!((logs[0].place.block, logs[0].place.position), (16, 1));

        let data = [word(32), word(3), b"abc".to_vec(), vec![0; 29]].concat();
        let expected = Event::Published { first_index: 5, publication: b"abc".to_vec() };
        assert_eq!(published(&data).unwrap()[0].event, expected);
        assert!(published(&[word(32), word(0)].concat()).is_some());
    }

    #[test]
    fn signatures_are_those_of_the_contracts_interface() {
        let interface: Value = serde_json::from_str(include_str!("../../../contracts/abi/AnomalyLogger.json")).unwrap();
        let signatures: Vec<String> = interface
            .as_array()
            .unwrap()
            .iter()
            .filter(|item| item["type"] == "event")
            .map(|event| {
                let types = event["inputs"].as_array().unwrap().iter().map(|input| input["type"].as_str().unwrap());
                format!("{}({})", event["name"].as_str().unwrap(), types.collect::<Vec<_>>().join(","))
            })
            .collect();
        for signature in [ANCHORED, PUBLISHED] {
            assert!(signatures.iter().any(|found| found == signature), "{signature} in {signatures:?}");
        }
    }

    #[test]
    fn refuses_what_is_not_by_the_interface() {
        let data = [word(32), word(3), b"abc".to_vec(), vec![0; 29]].concat();
        for cut in 0..data.len() {
            assert!(published(&data[..cut]).is_none(), "cut at {cut}");
        }
        assert!(published(&[&data[..], &[0]].concat()).is_none(), "trailing byte");
        assert!(published(&[word(64), word(0)].concat()).is_none(), "other offset");
        assert!(published(&[word(32), vec![0xff; 32]].concat()).is_none(), "length beyond u64");
        assert!(published(&[word(32), word(u64::MAX)].concat()).is_none(), "length beyond the data");
        assert!(published(&[word(32), word(1), vec![1; 32]].concat()).is_none(), "padding that is not zero");
        let other = Address::repeat_byte(0xbb);
        let topics = [keccak256(PUBLISHED), B256::ZERO];
        let foreign = json!([log(&topics, &[word(32), word(0)].concat())]);
        assert!(read_all(&foreign, &[other]).is_none(), "another contract's event");
        assert!(read_all(&json!("no list"), &[CONTRACT]).is_none());
        assert!(number(&B256::repeat_byte(1)).is_none(), "no uint64");
    }
}
