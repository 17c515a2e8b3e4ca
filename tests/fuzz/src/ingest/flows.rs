//! Bodies of network flows: CSV, JSON, and lines of JSON.

#[allow(dead_code, reason = "the service uses all of it")]
#[path = "../../../../backend/src/ingest/flows/columns.rs"]
mod columns;
#[path = "../../../../backend/src/ingest/flows/decode.rs"]
mod decode;

use std::sync::LazyLock;

use api::Code;
use detect::{TableModel, flow::FlowModel};
use serde_json::{Value, json};

use columns::Row;
use decode::Form;

/// The columns that the model here judges.
const JUDGED: [&str; 2] = ["Rate", "Tot sum"];

static MODEL: LazyLock<FlowModel> = LazyLock::new(|| {
    let rows: Vec<f32> = (0_u8..40).flat_map(|i| [f32::from(i), f32::from(i % 7)]).collect();
    FlowModel::of_usual(TableModel::train(&JUDGED.map(str::to_owned), &rows, 1).expect("rows of numbers"))
});

/// The first byte says in which form the rest is. A row that is taken has each judged column, and means the same as JSON.
pub(crate) fn rows(data: &[u8]) {
    let Some((form, body)) = data.split_first() else { return };
    let form = [Form::Csv, Form::Json, Form::Lines][usize::from(*form) % 3];
    match decode::rows(body, form, &MODEL) {
        Err(fault) => {
            assert!(!fault.detail.is_empty());
            assert!([Code::MalformedBody, Code::InvalidReading, Code::BodyTooLarge].contains(&fault.code));
        }
        Ok(read) => {
            assert!(!read.alone || read.rows.len() == 1);
            read.rows.iter().flatten().for_each(check);
        }
    }
}

fn check(row: &Row) {
    let names: Vec<&str> = row.flow.columns.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, JUDGED);
    assert!(row.flow.columns.iter().all(|(_, value)| value.is_finite()));
    let mut object: serde_json::Map<String, Value> =
        row.flow.columns.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    for (name, address) in [("src_ip", row.source), ("dst_ip", row.destination)] {
        object.extend(address.map(|address| (name.to_owned(), json!(address.to_string()))));
    }
    object.extend(row.device.as_ref().map(|device| ("device".to_owned(), json!(device))));
    let text = Value::Object(object).to_string();
    let mut again = decode::rows(text.as_bytes(), Form::Json, &MODEL).expect("it was taken").rows;
    let again = again.remove(0).expect("it was taken");
    assert_eq!(again.flow.columns, row.flow.columns);
    assert_eq!((again.device, again.source, again.destination), (row.device.clone(), row.source, row.destination));
}

/// Honest bodies of each form.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    [
        "\0tot_sum,label,Rate,dst ip,Dst Port,ts\n7,x,1.5,10.0.0.7,443,2025-11-20T07:00:00Z\n1,\"a,b\",2,::1,80.0,1\n",
        "\u{1}[{\"Rate\":1.5,\"Tot sum\":7,\"src_ip\":\"192.0.2.9\",\"time\":1763622000,\"device\":\"a\"},5]",
        "\u{2}{\"Rate\":1.5,\"Tot sum\":7,\"dst_port\":443}\n\n{\"rate\":1,\"Tot sum\":null}\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
