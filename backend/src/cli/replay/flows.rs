//! A CSV file of network flows, passed on as it is written; with an address map, each with its device.

use std::{net::IpAddr, path::Path};

use super::{Args, Counts};
use crate::{
    cli::{Outcome, WrongUse, client::Client, progress::Progress, runtime},
    domain::{DeviceName, registry::Network},
    ingest::{is_destination, is_source},
};

/// Flows of a request.
const BATCH: usize = 1_000;

/// The column that says whose a flow is.
const DEVICE: &str = "device";

pub(super) fn run(args: &Args, file: &Path) -> Outcome {
    let map = args.address_map.as_deref().map(AddressMap::read).transpose()?;
    let table = Table::read(file, args.separator, map.as_ref())?;
    let client = Client::new(&args.url)?.with_key(args.key.read()?);
    let mut path = "/api/v1/flows".to_owned();
    if let Some(device) = &args.device {
        let query: String = url_query(device);
        path += &format!("?device={query}");
    }
    let mut progress = Progress::new(Some(table.rows.len() as u64));
    let mut counts = Counts::default();
    runtime()?.block_on(async {
        for batch in table.rows.chunks(BATCH) {
            let answer = client.post(&path, "text/csv", table.text(batch)?).await?;
            counts.add(&answer);
            progress.advance(batch.len() as u64, counts.anomalies);
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    progress.finish();
    Ok(counts.say(&format!("{} flows sent", table.rows.len())))
}

/// A name in a query.
fn url_query(text: &str) -> String {
    reqwest::Url::parse_with_params("http://localhost/", [(DEVICE, text)])
        .ok()
        .and_then(|url| url.query().and_then(|query| query.split_once('=')).map(|(_, value)| value.to_owned()))
        .unwrap_or_default()
}

/// Whose addresses are.
struct AddressMap(Vec<(Network, DeviceName)>);

impl AddressMap {
    fn read(file: &Path) -> Result<Self, WrongUse> {
        let text = std::fs::read_to_string(file).map_err(|error| WrongUse(format!("{}: {error}", file.display())))?;
        Self::parse(&text).map_err(|why| WrongUse(format!("{}, {why}", file.display())))
    }

    /// One a line: address or network, comma, device. Empty lines and those that begin with # say nothing.
    fn parse(text: &str) -> Result<Self, String> {
        let mut lines = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        {
            let wrong = |why: &dyn std::fmt::Display| format!("line {}: {why}", at + 1);
            let (network, device) =
                line.split_once(',').ok_or_else(|| wrong(&"expected an address, a comma, a device"))?;
            let network = network.trim().parse().map_err(|error| wrong(&error))?;
            lines.push((network, DeviceName::new(device.trim()).map_err(|error| wrong(&error))?));
        }
        Ok(Self(lines))
    }

    /// The device of the narrowest network that has the address.
    fn at(&self, address: IpAddr) -> Option<&DeviceName> {
        let has = |network: &Network| Network::around(address, network.bits()) == *network;
        let found = self.0.iter().filter(|(network, _)| has(network)).max_by_key(|(network, _)| network.bits());
        found.map(|(_, device)| device)
    }
}

/// A file of flows.
struct Table {
    header: csv::StringRecord,
    rows: Vec<csv::StringRecord>,
}

impl Table {
    fn read(file: &Path, separator: char, map: Option<&AddressMap>) -> Result<Self, WrongUse> {
        let wrong = |why: &dyn std::fmt::Display| WrongUse(format!("{}: {why}", file.display()));
        let separator = u8::try_from(separator).ok().filter(u8::is_ascii);
        let separator = separator.ok_or_else(|| WrongUse::new("expected an ASCII character as --separator"))?;
        let builder = &mut csv::ReaderBuilder::new();
        let reader = builder.delimiter(separator).trim(csv::Trim::All).from_path(file);
        Self::from(reader.map_err(|error| wrong(&error))?, map).map_err(|error| wrong(&error))
    }

    fn from<R: std::io::Read>(mut reader: csv::Reader<R>, map: Option<&AddressMap>) -> Result<Self, csv::Error> {
        let mut header = reader.headers()?.clone();
        let mut rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>()?;
        if let Some(map) = map {
            let ends: Vec<usize> =
                [is_destination, is_source].into_iter().filter_map(|is| header.iter().position(is)).collect();
            // What the file says itself goes before.
            if !header.iter().any(|name| name.eq_ignore_ascii_case(DEVICE)) {
                header.push_field(DEVICE);
                for row in &mut rows {
                    let address = |place: &usize| row.get(*place)?.parse::<IpAddr>().ok();
                    let device = ends.iter().filter_map(address).find_map(|address| map.at(address));
                    row.push_field(device.map_or("", DeviceName::as_str));
                }
            }
        }
        Ok(Self { header, rows })
    }

    /// Some rows as CSV with the line of names.
    fn text(&self, rows: &[csv::StringRecord]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.header)?;
        rows.iter().try_for_each(|row| writer.write_record(row))?;
        Ok(writer.into_inner()?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn flows_get_the_device_of_their_destination_or_else_of_their_source() {
        let map = AddressMap::parse("# ward\n10.0.0.0/24,ward\n10.0.0.7, mri-1\n\n").unwrap();
        let csv = "Rate,src_ip,Dst IP\n1,10.0.0.7,192.0.2.1\n2,10.0.0.7,10.0.0.9\n3,192.0.2.1,192.0.2.2\n";
        let table = Table::from(csv::Reader::from_reader(csv.as_bytes()), Some(&map)).unwrap();
        let text = String::from_utf8(table.text(&table.rows).unwrap()).unwrap();
        let expected =
            "Rate,src_ip,Dst IP,device\n1,10.0.0.7,192.0.2.1,mri-1\n2,10.0.0.7,10.0.0.9,ward\n3,192.0.2.1,192.0.2.2,\n";
        assert_eq!(text, expected);
        let named = "device,src_ip\nx,10.0.0.7\n";
        let table = Table::from(csv::Reader::from_reader(named.as_bytes()), Some(&map)).unwrap();
        assert_eq!(String::from_utf8(table.text(&table.rows).unwrap()).unwrap(), named);
        for (text, why) in [("10.0.0.7", "a comma"), ("here,x", "an IP address"), ("10.0.0.7,", "a device name")] {
            assert!(AddressMap::parse(text).err().unwrap().contains(why), "{text}");
        }
        assert_eq!(url_query("a b&c"), "a+b%26c");
    }
}
