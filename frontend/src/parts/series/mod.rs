//! A metric over time: the means as a line, smallest to largest as a band, anomalies as marks. Read by pointer, by arrow
//! keys, and as a table.

mod shape;

use api::Series;
use leptos::{ev, html, prelude::*};

use crate::{clock, format};
use shape::{Point, Shape, condensed, nearest, shape};

/// Rows of the table.
const ROWS: usize = 24;
/// Times below the picture.
const TIMES: u32 = 4;

/// The chart of one metric.
#[component]
pub(crate) fn SeriesChart(
    /// What is drawn; it may move on while it is read.
    series: Memo<Option<Series>>,
    /// The metric's name for people.
    #[prop(into)]
    title: String,
    /// Its unit.
    #[prop(into)]
    unit: String,
) -> impl IntoView {
    let points = Memo::new(move |_| series.read().as_ref().map(points).unwrap_or_default());
    let ends = Memo::new(move |_| series.read().as_ref().and_then(ends).unwrap_or_default());
    let drawn = move || shape(&points.read(), ends.get().0, ends.get().1);
    let selected = RwSignal::new(None::<usize>);
    let figure = NodeRef::<html::Figure>::new();
    let follow = move |event: ev::PointerEvent| {
        let Some(figure) = figure.get_untracked() else { return };
        let place = figure.get_bounding_client_rect();
        let share = (f64::from(event.client_x()) - place.left()) / place.width().max(1.0);
        let (from, to) = ends.get_untracked();
        selected.set(nearest(&points.read_untracked(), from + share * (to - from)));
    };
    let step = move |event: ev::KeyboardEvent| {
        let count = points.read_untracked().len();
        let last = count.saturating_sub(1);
        let at = selected.get_untracked();
        let next = match event.key().as_str() {
            "ArrowLeft" => at.map_or(last, |at| at.saturating_sub(1)),
            "ArrowRight" => at.map_or(0, |at| (at + 1).min(last)),
            "Home" => 0,
            "End" => last,
            _ => return,
        };
        event.prevent_default();
        selected.set((count > 0).then_some(next));
    };
    let chosen = move || points.read().get(selected.get()?).copied();
    let (name, measure) = (title.clone(), unit.clone());
    let said = Memo::new(move |_| summary(&name, &measure, &points.read()));
    let measure = unit.clone();
    let caption = move || chosen().map_or_else(|| said.get(), |point| reading(&point, &measure));
    let cursor = move || {
        chosen().map(|point| {
            let (from, to) = ends.get();
            let x = format!("{:.2}%", (point.at - from) / (to - from) * 100.0);
            view! { <line class="cursor" x1=x.clone() x2=x y1="0" y2="100%"/> }
        })
    };
    view! {
        <figure class="series" node_ref=figure>
            <svg
                role="img"
                tabindex="0"
                aria-label=move || format!("{} Arrow keys read single values.", said.get())
                on:pointermove=follow
                on:pointerleave=move |_| selected.set(None)
                on:keydown=step
            >
                {move || view! { <Picture drawn=drawn()/> }}
                {cursor}
            </svg>
            <div class="times" aria-hidden="true">{move || times(ends.get().0, ends.get().1)}</div>
            <figcaption aria-live="polite">{caption}</figcaption>
        </figure>
        <Table points unit title/>
    }
}

#[component]
fn Picture(drawn: Shape) -> impl IntoView {
    let Shape { band, line, marks, levels } = drawn;
    let level = |(y, text): (f64, String)| {
        let y = format!("{y:.2}%");
        view! {
            <line class="level" x1="0" x2="100%" y1=y.clone() y2=y.clone()/>
            <text class="level" x="2" y=y dy="-4">{text}</text>
        }
    };
    let mark = |(x, y): (f64, f64)| {
        view! { <circle class="mark" cx=format!("{x:.2}%") cy=format!("{y:.2}%") r="4"/> }
    };
    view! {
        <svg x="0" y="0" width="100%" height="100%" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
            <path class="band" d=band/>
            <path class="mean" d=line vector-effect="non-scaling-stroke"/>
        </svg>
        {levels.into_iter().map(level).collect_view()}
        {marks.into_iter().map(mark).collect_view()}
    }
}

/// The same in numbers, for who cannot see the picture or wants to copy it.
#[component]
fn Table(points: Memo<Vec<Point>>, unit: String, title: String) -> impl IntoView {
    let row = |point: Point| {
        view! {
            <tr>
                <th scope="row">{clock::local(point.at)}</th>
                <td>{format::value(point.min)}</td><td>{format::value(point.mean)}</td><td>{format::value(point.max)}</td>
                <td>{format::grouped(point.count)}</td><td>{format::grouped(point.anomalies)}</td>
            </tr>
        }
    };
    let caption = if unit.is_empty() { title } else { format!("{title} in {unit}") };
    view! {
        <details class="numbers">
            <summary>"As a table"</summary>
            <div class="scroll"><table>
                <caption>{caption}</caption>
                <thead><tr>
                    <th scope="col">"From"</th><th scope="col">"Least"</th><th scope="col">"Mean"</th>
                    <th scope="col">"Most"</th><th scope="col">"Values"</th><th scope="col">"Anomalous"</th>
                </tr></thead>
                <tbody>{move || condensed(&points.read(), ROWS).into_iter().map(row).collect_view()}</tbody>
            </table></div>
        </details>
    }
}

/// Where it begins and ends.
fn ends(series: &Series) -> Option<(f64, f64)> {
    Some((clock::parse(&series.from)?, clock::parse(&series.to)?))
}

fn points(series: &Series) -> Vec<Point> {
    let half = series.step_ms as f64 / 2.0;
    let point = |bucket: &api::Bucket| {
        let api::Bucket { min, max, mean, count, anomalies, .. } = *bucket;
        Some(Point { at: clock::parse(&bucket.time)? + half, min, max, mean, count, anomalies })
    };
    series.buckets.iter().filter_map(point).collect()
}

/// The picture in a sentence.
fn summary(title: &str, unit: &str, points: &[Point]) -> String {
    if points.is_empty() {
        return format!("{title}: no values in this time.");
    }
    let low = points.iter().map(|point| point.min).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|point| point.max).fold(f64::NEG_INFINITY, f64::max);
    let of = |value: f64| format::with_unit(&format::value(value), unit);
    let values = format::counted(points.iter().map(|point| point.count).sum(), "value", "values");
    let odd = points.iter().map(|point| point.anomalies).sum();
    let odd = if odd == 0 { "none anomalous".to_owned() } else { format!("{} anomalous", format::grouped(odd)) };
    format!("{title}: {values} from {} to {}, {odd}.", of(low), of(high))
}

/// One step in words.
fn reading(point: &Point, unit: &str) -> String {
    let of = |value: f64| format::with_unit(&format::value(value), unit);
    let odd = if point.anomalies > 0 { ", anomalous" } else { "" };
    let at = clock::local(point.at);
    if point.count == 1 {
        return format!("{at}: {}{odd}", of(point.mean));
    }
    format!("{at}: mean {}, {} to {}, {} values{odd}", of(point.mean), of(point.min), of(point.max), point.count)
}

fn times(from: f64, to: f64) -> impl IntoView {
    let at = move |part: u32| clock::short(from + (to - from) * f64::from(part) / f64::from(TIMES), to - from);
    (0..=TIMES).map(|part| view! { <span>{at(part)}</span> }).collect_view()
}
