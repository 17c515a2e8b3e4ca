//! What is usual in a group of devices: the tails of their deviations, and how high its forest
//! scores. Learnt from a training sample; the prior for every device of the group, from its first
//! reading on, and a memory that no device can change.

use crate::{
    DetectError,
    bytes::{Reader, Writer},
    row::{COLUMN_OF, Deviations, JUDGED, Q, Row, T2, stretch},
    scorer::{joint::JointMeasures, tails::Tail},
};

/// A column's tail does not begin below this, in its own scale (mean absolute deviations) …
const LEAST_SCALED: f64 = 3.0;
/// … or for a volatility or a mean residual, which have no such scale.
const LEAST_PLAIN: f64 = 0.3;
/// The same for deviates of the metrics together, which slow cycles make larger than normal ones.
const LEAST_DEVIATE: f64 = 4.0;
/// The forest weakens what it finds ordinary and strengthens what it isolates, within this.
const WEAKEST: f64 = 0.6;
const STRONGEST: f64 = 1.1;
/// ln 12: any of six columns, or a record instead, may be the improbable one (Bonferroni).
const MANY_COLUMNS: f64 = 2.484_906_649_788;
/// The share of readings whose strongest deviation lies below a metric's running quantile.
const QUANTILE: f64 = 0.99;
/// That quantile moves by this share when a deviation lies above it.
const STEP: f64 = 0.06;
const MOST_UNLIKE: f64 = 1e3;

/// A group's tails.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) tails: [Tail; JUDGED],
    /// Of T² and Q, as standard normal deviates.
    together: [Tail; 2],
    /// High quantile of a reading's strongest deviation, in thresholds of the tails.
    usual: f64,
    /// High quantile of the forest's scores.
    pub(crate) forest: f64,
    /// Whether devices are of this group: its tails are evidence. The built-in model for devices
    /// of any kind knows no group.
    pub(crate) known: bool,
}

impl Group {
    /// Learns from a sample's rows and the forest's scores of them.
    pub(crate) fn learn(rows: &[Row], forest: f64, known: bool) -> Self {
        let tails = COLUMN_OF.map(|(column, _)| {
            let least = if matches!(column, 3 | 7) { LEAST_PLAIN } else { LEAST_SCALED };
            Tail::learn(rows.iter().map(|row| stretch(row[column])).collect(), least)
        });
        let together =
            [T2, Q].map(|column| Tail::learn(rows.iter().map(|row| stretch(row[column])).collect(), LEAST_DEVIATE));
        let mut group = Self { tails, together, usual: 1.0, forest, known };
        let strongest = |row: &Row| group.strongest(&Deviations(COLUMN_OF.map(|(column, _)| stretch(row[column])))).0;
        let usual = crate::model::quantile(rows.iter().map(strongest), QUANTILE);
        group.usual = usual.max(0.5);
        group
    }

    /// The strongest deviation in thresholds, and its place among the judged columns.
    fn strongest(&self, deviations: &Deviations) -> (f64, usize) {
        let mut strongest = (0.0, 0);
        for (place, (tail, deviation)) in self.tails.iter().zip(deviations.0).enumerate() {
            let ratio = tail.ratio(deviation);
            if ratio > strongest.0 {
                strongest = (ratio, place);
            }
        }
        strongest
    }

    /// The evidence of one metric's deviations and the place of the strongest; `unlike` is how much
    /// more this metric deviates than its group.
    pub(crate) fn evidence(&self, deviations: &Deviations, unlike: f64) -> Evidence {
        let (ratio, place) = self.strongest(deviations);
        let mut nats: f64 = 0.0;
        let mut best = place;
        let slack = unlike.max(1.0);
        if ratio > slack {
            // Tails differ in weight: the farthest out need not be the least probable.
            for (place, (tail, deviation)) in self.tails.iter().zip(deviations.0).enumerate() {
                let ratio = tail.ratio(deviation) / slack;
                let evidence = if ratio > 1.0 { tail.nats(ratio) } else { 0.0 };
                if evidence > nats {
                    (nats, best) = (evidence, place);
                }
            }
        } else {
            nats = self.tails[place].nats(ratio / slack);
        }
        Evidence { nats: (nats - MANY_COLUMNS).max(0.0), place: best, ratio }
    }

    /// The evidence of a reading's metrics together.
    pub(crate) fn evidence_together(&self, measures: &JointMeasures) -> f64 {
        if !self.known {
            return 0.0;
        }
        let of = |tail: &Tail, deviate: f64| tail.nats(tail.ratio(deviate.max(0.0)));
        (of(&self.together[0], measures.t2).max(of(&self.together[1], measures.q)) - MANY_COLUMNS).max(0.0)
    }

    /// The evidence of a whole row whose forest score is known.
    pub(crate) fn fused(&self, row: &Row, forest: f64) -> f64 {
        let deviations = Deviations(COLUMN_OF.map(|(column, _)| stretch(row[column])));
        self.evidence(&deviations, 1.0).nats * self.weight(forest)
    }

    /// The part of a deviation that would have stayed below `limit` nats.
    pub(crate) fn allowed(&self, evidence: &Evidence, limit: f64) -> f64 {
        self.tails[evidence.place].shrink(evidence.nats - limit)
    }

    /// What the forest's score makes of evidence, as a factor.
    pub(crate) fn weight(&self, forest: f64) -> f64 {
        (forest / self.forest).clamp(WEAKEST, STRONGEST)
    }

    /// The next value of a metric's running quantile of deviations against its group, by
    /// stochastic approximation in the logarithm (Robbins and Monro, 1951).
    pub(crate) fn next_unlike(&self, unlike: f32, ratio: f64) -> f32 {
        let now = f64::from(unlike);
        let factor = if ratio > now * self.usual { 1.0 + STEP } else { 1.0 - STEP * (1.0 - QUANTILE) / QUANTILE };
        (now * factor).clamp(1.0, MOST_UNLIKE) as f32
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        self.tails.iter().chain(&self.together).for_each(|tail| tail.write(writer));
        writer.f64(self.usual);
        writer.f64(self.forest);
        writer.u8(u8::from(self.known));
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let first = Tail::read(reader)?;
        let mut tails = [first; JUDGED];
        for tail in &mut tails[1..] {
            *tail = Tail::read(reader)?;
        }
        let together = [Tail::read(reader)?, Tail::read(reader)?];
        let mut positive = || match reader.f64()? {
            number if number > 0.0 => Ok(number),
            number => Err(DetectError::malformed("model", "a number above 0", number)),
        };
        let (usual, forest) = (positive()?, positive()?);
        match reader.u8()? {
            known @ 0..=1 => Ok(Self { tails, together, usual, forest, known: known == 1 }),
            other => Err(reader.error("0 or 1", other)),
        }
    }
}

/// What a group's tails say about one metric.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) nats: f64,
    /// Place of the strongest among the judged columns.
    pub(crate) place: usize,
    /// The strongest deviation in thresholds of its tail.
    pub(crate) ratio: f64,
}
