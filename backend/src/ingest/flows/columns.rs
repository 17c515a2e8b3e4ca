//! Where what matters stands in a row of flows: the columns that the model judges, the time, the ends, the device. By
//! name, whatever the order and whatever else is there.

use std::net::{IpAddr, SocketAddr};

use detect::flow::FlowModel;
use ledger::text::Endpoint;

use crate::{
    domain::{Flow, Micros, ReadingError, reading::parse_value},
    ingest::decode,
};

/// Columns of a header at most. The widest set in use has 83.
pub(super) const MAX_HEADER: usize = 256;

/// Names of the columns that are not judged, by their letters and digits.
const TIME: &[&str] = &["time", "timestamp", "ts"];
const SOURCE: &[&str] = &["srcip", "sourceip", "srcaddr", "sourceaddress", "saddr", "src"];
const DESTINATION: &[&str] = &["dstip", "destinationip", "destip", "dstaddr", "destinationaddress", "daddr", "dst"];
const SOURCE_PORT: &[&str] = &["srcport", "sourceport", "sport"];
const DESTINATION_PORT: &[&str] = &["dstport", "destinationport", "destport", "dport"];
const DEVICE: &[&str] = &["device"];

/// How the cells of a row are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cells {
    /// As JSON: texts in quotes.
    Json,
    /// As CSV: texts bare.
    Csv,
}

/// Where each column stands.
#[derive(Debug)]
pub(super) struct Columns {
    /// The judged ones, in the model's order.
    judged: Vec<(String, usize)>,
    time: Option<usize>,
    source: Option<usize>,
    destination: Option<usize>,
    source_port: Option<usize>,
    destination_port: Option<usize>,
    device: Option<usize>,
}

/// A row, as far as it is understood.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub(super) device: Option<String>,
    pub(super) time: Option<Micros>,
    pub(super) source: Option<IpAddr>,
    pub(super) destination: Option<IpAddr>,
    pub(super) flow: Flow,
}

impl Columns {
    /// Finds the columns in a header.
    pub(super) fn of(header: &[&str], model: &FlowModel) -> Result<Self, ReadingError> {
        let refuse = |why: String| ReadingError::Object(format!("expected the columns of a flow: {why}"));
        if header.len() > MAX_HEADER {
            return Err(refuse(format!("at most {MAX_HEADER}, found {}", header.len())));
        }
        let places = model.places(header).map_err(|error| refuse(error.to_string()))?;
        let names = model.columns().into_iter().map(str::to_owned);
        let plain: Vec<String> = header.iter().map(|name| plain(name)).collect();
        let find = |wanted: &[&str]| {
            let mut found = (0..plain.len()).filter(|place| wanted.contains(&plain[*place].as_str()));
            match (found.next(), found.next()) {
                (Some(_), Some(second)) => {
                    Err(refuse(format!("{:?} says again what another column says", header[second])))
                }
                (found, _) => Ok(found),
            }
        };
        Ok(Self {
            judged: names.zip(places).collect(),
            time: find(TIME)?,
            source: find(SOURCE)?,
            destination: find(DESTINATION)?,
            source_port: find(SOURCE_PORT)?,
            destination_port: find(DESTINATION_PORT)?,
            device: find(DEVICE)?,
        })
    }

    /// Reads a row that has a cell for each column of the header.
    pub(super) fn row(&self, cells: &[&str], form: Cells) -> Result<Row, ReadingError> {
        let columns =
            self.judged.iter().map(|(name, place)| Ok((name.clone(), parse_value(name, cell(cells, *place))?)));
        let columns = columns.collect::<Result<_, ReadingError>>()?;
        let text = |place: Option<usize>| place.map(|place| bare(cell(cells, place), form)).transpose();
        let given = |place: Option<usize>| Ok::<_, ReadingError>(text(place)?.filter(|text| !text.is_empty()));
        let address = |place| given(place)?.map(|text| parse_address(&text)).transpose();
        let port = |place| given(place)?.map(|text| parse_port(&text)).transpose();
        let (source, destination) = (address(self.source)?, address(self.destination)?);
        let source_end = end(source, port(self.source_port)?);
        let destination_end = end(destination, port(self.destination_port)?);
        Ok(Row {
            device: given(self.device)?,
            time: given(self.time)?.map(|text| parse_time(&text)).transpose()?,
            source,
            destination,
            flow: Flow::new(columns, source_end, destination_end),
        })
    }
}

fn cell<'a>(cells: &[&'a str], place: usize) -> &'a str {
    cells.get(place).map_or("", |cell| cell.trim())
}

/// Whether a column of this name says where a flow comes from.
pub(crate) fn is_source(name: &str) -> bool {
    SOURCE.contains(&plain(name).as_str())
}

/// Whether a column of this name says where a flow goes to.
pub(crate) fn is_destination(name: &str) -> bool {
    DESTINATION.contains(&plain(name).as_str())
}

/// What of a name counts: letters and digits, in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn bare(text: &str, form: Cells) -> Result<String, ReadingError> {
    match form {
        Cells::Json if text.starts_with('"') => {
            serde_json::from_str(text).map_err(|error| ReadingError::Object(error.to_string()))
        }
        Cells::Json if text == "null" => Ok(String::new()),
        Cells::Json | Cells::Csv => Ok(text.to_owned()),
    }
}

fn parse_address(text: &str) -> Result<IpAddr, ReadingError> {
    let shown: String = text.chars().take(64).collect();
    let address = text.parse::<IpAddr>().map(|address| address.to_canonical());
    address.map_err(|_| ReadingError::Object(format!("expected an IP address, found {shown:?}")))
}

/// A port; tools write 443.0 as well.
fn parse_port(text: &str) -> Result<u16, ReadingError> {
    let shown: String = text.chars().take(64).collect();
    let whole = text.strip_suffix(".0").unwrap_or(text);
    whole.parse().map_err(|_| ReadingError::Object(format!("expected a port from 0 to 65535, found {shown:?}")))
}

fn parse_time(text: &str) -> Result<Micros, ReadingError> {
    match text.parse::<f64>() {
        Ok(_) => decode::time(text),
        Err(_) => Micros::parse(text).map_err(|error| ReadingError::TimeText(error.to_string())),
    }
}

fn end(address: Option<IpAddr>, port: Option<u16>) -> Option<Endpoint> {
    let address = address?;
    let text = port.map_or_else(|| address.to_string(), |port| SocketAddr::new(address, port).to_string());
    text.parse().ok()
}
