//! What a model learns from: feature rows of normal streams. Reads and writes text, no files.

use sha2::{Digest, Sha256};

use crate::{
    DetectError, ReadingView, Value,
    judging::records,
    row::{self, COLUMNS, Deviations, NAMES, Row},
    series::{WARM_UP, bounded},
    state::{DeviceState, MAX_METRICS, short_key},
    together::Gathered,
};

/// One row in this many is kept: neighbours say nearly the same, and three days of eight devices
/// stay below a megabyte a metric. Prime to 60 and 24, so that all times of day occur.
const STRIDE: u64 = 7;
/// More rows than this add size, not knowledge: 250 devices × 3 days × 3 metrics.
const MAX_ROWS: usize = 500_000;

/// One reading of a training stream.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingReading {
    /// Milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Metric names, sorted and unique, with finite values.
    pub values: Vec<(String, f64)>,
}

/// Feature rows of normal devices: unitless, so that streams of different metrics may be mixed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingSample {
    pub(crate) rows: Vec<Row>,
}

impl TrainingSample {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows collected so far.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Adds the readings of one device, in order of time, from its first reading on. The warm-up
    /// and all but every seventh reading are left out.
    ///
    /// # Errors
    /// As [`judge`](crate::judge); the sample is then unchanged.
    pub fn add_device(&mut self, readings: &[TrainingReading]) -> Result<(), DetectError> {
        let mut state = DeviceState::new();
        let mut rows = Vec::new();
        for (index, reading) in readings.iter().enumerate() {
            let values: Vec<Value<'_>> =
                reading.values.iter().map(|(metric, value)| Value { metric, value: *value }).collect();
            let view = ReadingView { time_ms: reading.time_ms, values: &values };
            view.check()?;
            let actual = state.count_with(values.iter().map(|value| short_key(value.metric)));
            if actual > MAX_METRICS {
                return Err(DetectError::TooManyMetrics { actual, limit: MAX_METRICS });
            }
            let interval = state.tick(view.time_ms);
            let mut row = Row::default();
            let mut gathered = Gathered::default();
            let mut warm = false;
            for value in &values {
                let position = state.position(short_key(value.metric));
                let series = &mut state.metrics[position];
                let number = bounded(value.value);
                let measures = series.measure(number, view.time_ms, interval);
                if series.seen >= WARM_UP {
                    warm = true;
                    let record = records(series, &measures, interval).excess;
                    row::add(&mut row, series, &measures, &Deviations::of(series, &measures), record);
                }
                gathered.add(series.place, number, measures.least);
                series.learn(number, view.time_ms, &measures);
            }
            state.together.push(&gathered, &mut row);
            if warm && (index as u64).is_multiple_of(STRIDE) {
                rows.push(row);
            }
        }
        let room = MAX_ROWS.saturating_sub(self.rows.len());
        self.rows.extend(rows.into_iter().take(room));
        Ok(())
    }

    /// Adds the rows of another sample.
    pub fn add_sample(&mut self, other: &TrainingSample) {
        let room = MAX_ROWS.saturating_sub(self.rows.len());
        self.rows.extend(other.rows.iter().take(room));
    }

    /// Comma-separated text: one line of column names, one line for each row, each line ended by
    /// a line feed. Numbers in the shortest form that reads back to the same bits.
    pub fn to_csv(&self) -> String {
        let mut text = NAMES.join(",");
        text.push('\n');
        for row in &self.rows {
            for (index, number) in row.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&number.to_string());
            }
            text.push('\n');
        }
        text
    }

    /// Reads what [`to_csv`](Self::to_csv) wrote.
    ///
    /// # Errors
    /// [`DetectError::Malformed`] for other columns, another number of fields or a field that is
    /// not a finite number.
    pub fn from_csv(text: &str) -> Result<Self, DetectError> {
        let mut lines = text.lines();
        let header = lines.next().unwrap_or_default();
        if header != NAMES.join(",") {
            let actual: String = header.chars().take(100).collect();
            return Err(DetectError::malformed("training columns", NAMES.join(","), actual));
        }
        let rows: Vec<Row> = lines.map(parse_row).collect::<Result<_, _>>()?;
        if rows.len() > MAX_ROWS {
            let expected = format!("at most {MAX_ROWS}");
            return Err(DetectError::malformed("training rows", expected, rows.len()));
        }
        Ok(Self { rows })
    }

    /// SHA-256 of the CSV text: the identity of a sample.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.to_csv()).into()
    }
}

fn parse_row(line: &str) -> Result<Row, DetectError> {
    let mut row = [0.0; COLUMNS];
    let mut fields = line.split(',');
    for number in &mut row {
        let field = fields.next().unwrap_or_default();
        let value = field.parse::<f32>().ok().filter(|value| value.is_finite());
        *number = value.ok_or_else(|| {
            let actual: String = field.chars().take(100).collect();
            DetectError::malformed("training row", "a finite number", actual)
        })?;
    }
    match fields.next() {
        None => Ok(row),
        Some(_) => Err(DetectError::malformed("training row", format!("{COLUMNS} fields"), "more")),
    }
}
