//! A quiet picture of when anomalies were recorded. The arithmetic is pure; the picture is SVG with a sentence.

use leptos::prelude::*;

use crate::format;

/// Bars in the picture.
const BARS: usize = 48;
/// Lengths of time that a reader grasps, in minutes.
const SPANS: [(u32, &str); 8] = [
    (1, "minute"),
    (5, "5 minutes"),
    (15, "15 minutes"),
    (60, "hour"),
    (360, "6 hours"),
    (1_440, "24 hours"),
    (10_080, "7 days"),
    (43_200, "30 days"),
];
/// The picture's height in its own units; a bar never vanishes entirely.
const HEIGHT: f64 = 40.0;
const LEAST: f64 = 3.0;

/// A point of the picture: when, and whether critical.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mark {
    /// Milliseconds since 1970.
    pub(crate) at: f64,
    /// Whether it is critical.
    pub(crate) critical: bool,
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
struct Picture {
    span: &'static str,
    total: usize,
    critical: usize,
    /// All, and the critical ones among them, from the oldest bar to the newest.
    bars: Vec<(usize, usize)>,
}

/// Sorts marks into bars. `complete`: there are no older ones than these; else the span is one that they fill.
fn picture(marks: &[Mark], now: f64, complete: bool) -> Picture {
    let age = marks.iter().map(|mark| now - mark.at).fold(0.0, f64::max) / 60_000.0;
    let chosen = if complete {
        SPANS.iter().find(|(minutes, _)| f64::from(*minutes) >= age).or(SPANS.last())
    } else {
        SPANS.iter().rev().find(|(minutes, _)| f64::from(*minutes) <= age).or(SPANS.first())
    };
    let (minutes, span) = chosen.copied().unwrap_or((1, "minute"));
    let width = f64::from(minutes) * 60_000.0 / BARS as f64;
    let mut bars = vec![(0, 0); BARS];
    let (mut total, mut critical) = (0, 0);
    for mark in marks {
        // A clock that is ahead of this one's counts as now.
        let back = ((now - mark.at).max(0.0) / width) as usize;
        if let Some(bar) = BARS.checked_sub(1 + back).and_then(|at| bars.get_mut(at)) {
            bar.0 += 1;
            total += 1;
            if mark.critical {
                bar.1 += 1;
                critical += 1;
            }
        }
    }
    Picture { span, total, critical, bars }
}

/// The picture with its sentence; nothing where there is nothing to draw.
#[component]
pub(crate) fn Chart(
    #[prop(into)] marks: Signal<Vec<Mark>>,
    #[prop(into)] now: Signal<f64>,
    #[prop(into)] complete: Signal<bool>,
) -> impl IntoView {
    let picture = Memo::new(move |_| picture(&marks.read(), now.get(), complete.get()));
    let sentence = move || {
        let Picture { span, total, critical, .. } = picture.get();
        let total = format::counted(total as u64, "anomaly", "anomalies");
        format!("{total} in the last {span}, {critical} critical")
    };
    let bars = move || {
        let bars = picture.get().bars;
        let most = bars.iter().map(|bar| bar.0).max().unwrap_or(0).max(1) as f64;
        let height = move |count: usize| if count == 0 { 0.0 } else { LEAST + (HEIGHT - LEAST) * count as f64 / most };
        let bar = |at: usize, count: usize, class: &'static str| {
            let height = height(count);
            view! { <rect class=class x=at * 10 + 1 y=HEIGHT - height width="8" height=height rx="1.5"/> }
        };
        bars.into_iter()
            .enumerate()
            .map(|(at, (all, critical))| view! { {bar(at, all, "bar")} {bar(at, critical, "bar critical")} })
            .collect_view()
    };
    view! {
        <Show when=move || { picture.read().total > 0 }>
            <figure class="chart">
                <svg viewBox="0 0 480 40" preserveAspectRatio="none" role="img" aria-label=sentence>{bars}</svg>
                <figcaption>{sentence}</figcaption>
            </figure>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(ages_s: &[f64]) -> Vec<Mark> {
        ages_s.iter().map(|age| Mark { at: 1e9 - age * 1000.0, critical: *age < 5.0 }).collect()
    }

    #[test]
    fn bars_hold_every_mark_of_the_span() {
        let drawn = picture(&marks(&[0.0, 1.0, 200.0, -3.0]), 1e9, true);
        assert_eq!((drawn.span, drawn.total, drawn.critical), ("5 minutes", 4, 3));
        assert_eq!(drawn.bars.last(), Some(&(3, 3)));
    }

    #[test]
    fn an_incomplete_list_is_drawn_only_as_far_as_it_is_whole() {
        let drawn = picture(&marks(&[10.0, 200.0, 400.0]), 1e9, false);
        assert_eq!((drawn.span, drawn.total), ("5 minutes", 2));
        assert_eq!(picture(&[], 1e9, true).total, 0);
    }
}
