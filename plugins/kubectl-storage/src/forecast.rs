//! When something will be full.
//!
//! A robust line through the history (the median of the slopes between all pairs of points, after
//! Theil and Sen), so that one clean-up or one import does not turn it, with a band from the
//! residuals. How far to trust it is measured on the history itself: the line through the first
//! two thirds is compared with what the last third turned out to be.

use serde::Serialize;

use crate::model::Seconds;

const DAY: f64 = 86_400.0;
/// Slopes are taken between so many points at most: pairs grow with the square.
const MOST_POINTS: usize = 200;
/// Fewer points say nothing.
const FEWEST_POINTS: usize = 4;

/// A point of a history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When.
    pub at: Seconds,
    /// Bytes.
    pub bytes: f64,
}

/// When so much of it will be taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Crossing {
    /// Percent of the size.
    pub percent: u32,
    /// Days from now; none when it does not grow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<f64>,
    /// Days from now at the upper end of the band: the earliest that is likely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earliest_days: Option<f64>,
    /// Days from now at the lower end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_days: Option<f64>,
}

/// A forecast.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// Bytes a day.
    pub bytes_per_day: f64,
    /// Points it stands on.
    pub points: usize,
    /// Days between the first and the last.
    pub days: f64,
    /// Median error, in percent of the size, of the same method on the last third of the history;
    /// none when the history is too short to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back_test_error_percent: Option<f64>,
    /// 80, 90 and 100 percent.
    pub crossings: Vec<Crossing>,
}

impl Forecast {
    /// Whether so many percent are likely to be reached within so many days.
    pub fn reaches(&self, percent: u32, days: f64) -> bool {
        self.crossings
            .iter()
            .filter(|crossing| crossing.percent == percent)
            .any(|crossing| crossing.earliest_days.is_some_and(|at| at <= days))
    }
}

#[derive(Debug, Clone, Copy)]
struct Line {
    slope: f64,
    intercept: f64,
    /// Nine of ten points lie no further from it than this.
    band: f64,
    /// The slope's own uncertainty: the middle half of the pairwise slopes.
    spread: f64,
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into a list that exists"
    )]
    let at = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

/// Days since the last point, bytes.
fn line(points: &[(f64, f64)]) -> Option<Line> {
    if points.len() < FEWEST_POINTS {
        return None;
    }
    let mut slopes = Vec::new();
    for (at, (day, bytes)) in points.iter().enumerate() {
        for (later, more) in &points[at + 1..] {
            if later > day {
                slopes.push((more - bytes) / (later - day));
            }
        }
    }
    if slopes.is_empty() {
        return None;
    }
    slopes.sort_by(f64::total_cmp);
    let slope = quantile(&slopes, 0.5);
    let mut intercepts: Vec<_> = points
        .iter()
        .map(|(day, bytes)| bytes - slope * day)
        .collect();
    intercepts.sort_by(f64::total_cmp);
    let intercept = quantile(&intercepts, 0.5);
    let mut residuals: Vec<_> = intercepts
        .iter()
        .map(|known| (known - intercept).abs())
        .collect();
    residuals.sort_by(f64::total_cmp);
    Some(Line {
        slope,
        intercept,
        band: quantile(&residuals, 0.9),
        spread: (quantile(&slopes, 0.75) - quantile(&slopes, 0.25)) / 2.0,
    })
}

/// Every so many points, so that there are not too many of them; the last one always.
fn thin(points: &[Point], now: Seconds) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(MOST_POINTS).max(1);
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds of a few years fit exactly"
    )]
    let days = |at: Seconds| (at - now) as f64 / DAY;
    points
        .iter()
        .rev()
        .step_by(step)
        .map(|point| (days(point.at), point.bytes))
        .rev()
        .collect()
}

/// Forecasts from a history in the order of time. None when it is too short to say anything.
pub fn forecast(points: &[Point], size_bytes: f64, now: Seconds) -> Option<Forecast> {
    let thinned = thin(points, now);
    let line = line(&thinned)?;
    let (first, last) = (thinned.first()?, thinned.last()?);
    let current = line.intercept;
    let crossing = |percent: u32| {
        let wanted = size_bytes * f64::from(percent) / 100.0;
        let when = |level: f64, slope: f64| {
            if level >= wanted {
                Some(0.0)
            } else if slope > 0.0 {
                Some((wanted - level) / slope)
            } else {
                None
            }
        };
        // What there is now is known and is no guess.
        let now_bytes = last.1.max(current);
        Crossing {
            percent,
            days: when(now_bytes, line.slope),
            earliest_days: when(now_bytes + line.band, line.slope + line.spread),
            latest_days: when(last.1 - line.band, line.slope - line.spread),
        }
    };
    Some(Forecast {
        bytes_per_day: line.slope,
        points: points.len(),
        days: last.0 - first.0,
        back_test_error_percent: back_test(&thinned, size_bytes),
        crossings: [80, 90, 100].map(crossing).into(),
    })
}

fn back_test(points: &[(f64, f64)], size_bytes: f64) -> Option<f64> {
    let split = points.len() * 2 / 3;
    let (known, later) = points.split_at_checked(split)?;
    let line = line(known)?;
    if later.is_empty() || size_bytes <= 0.0 {
        return None;
    }
    let mut errors: Vec<_> = later
        .iter()
        .map(|(day, bytes)| (line.intercept + line.slope * day - bytes).abs() * 100.0 / size_bytes)
        .collect();
    errors.sort_by(f64::total_cmp);
    Some(quantile(&errors, 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growing(days: i64, per_day: f64) -> Vec<Point> {
        (0..days)
            .map(|day| {
                #[expect(clippy::cast_precision_loss, reason = "a test")]
                let bytes = 100.0 + per_day * day as f64;
                Point {
                    at: day * 86_400,
                    bytes,
                }
            })
            .collect()
    }

    #[test]
    fn a_steady_growth_is_continued() {
        let points = growing(30, 10.0);
        let found = forecast(&points, 1000.0, 29 * 86_400).unwrap();
        assert!((found.bytes_per_day - 10.0).abs() < 0.01);
        // 390 now, 800 in 41 days.
        let days = found.crossings[0].days.unwrap();
        assert!((days - 41.0).abs() < 0.1, "{days}");
        assert!(found.back_test_error_percent.unwrap() < 0.1);
        assert!(!found.reaches(80, 7.0) && found.reaches(80, 42.0));
    }

    #[test]
    fn one_import_does_not_turn_the_line() {
        let mut points = growing(40, 1.0);
        points[20].bytes = 900.0;
        let found = forecast(&points, 1000.0, 39 * 86_400).unwrap();
        assert!((found.bytes_per_day - 1.0).abs() < 0.05, "{found:?}");
    }

    #[test]
    fn what_does_not_grow_is_never_full() {
        let found = forecast(&growing(20, -1.0), 1000.0, 19 * 86_400).unwrap();
        assert!(
            found
                .crossings
                .iter()
                .all(|crossing| crossing.days.is_none())
        );
        assert!(forecast(&growing(3, 1.0), 1000.0, 0).is_none());
    }

    #[test]
    fn a_noisy_growth_has_a_band_that_holds_the_truth() {
        let mut points = growing(60, 5.0);
        for (at, point) in points.iter_mut().enumerate() {
            point.bytes += if at % 2 == 0 { 20.0 } else { -20.0 };
        }
        let found = forecast(&points, 2000.0, 59 * 86_400).unwrap();
        let at = &found.crossings[2];
        // 395 at the end of the line, 2000 after 321 days.
        assert!(
            at.earliest_days.unwrap() <= 321.0 && at.latest_days.unwrap() >= 321.0,
            "{at:?}"
        );
    }
}
