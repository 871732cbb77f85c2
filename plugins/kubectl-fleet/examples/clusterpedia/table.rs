//! Both sides in one table.

use crate::lane::Lane;
use crate::source::RELEASE;

struct Table(Vec<(String, f64)>);

impl Table {
    /// A row; the ratio says how many times better kubectl-fleet is.
    fn row(&mut self, figure: &str, what: &str, values: [f64; 2], digits: usize, ratio: f64) {
        let [ours, rival] = values;
        println!("| {what} | {ours:.digits$} | {rival:.digits$} | {ratio:.2} |");
        self.0.push((figure.to_owned(), ours));
        self.0.push((format!("{figure}OfRival"), rival));
        self.0.push((format!("{figure}Ratio"), ratio));
    }

    /// A row of which less is better.
    fn less(&mut self, figure: &str, what: &str, ours: f64, rival: f64, digits: usize) {
        self.row(figure, what, [ours, rival], digits, rival / ours);
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of objects")]
fn rate(lane: &Lane) -> f64 {
    lane.objects as f64 / lane.sync.as_secs_f64()
}

pub(crate) fn print(ours: &Lane, rival: &Lane) {
    println!(
        "{} objects read by kubectl-fleet, {} by Clusterpedia {RELEASE}\n",
        ours.objects, rival.objects
    );
    println!("| | kubectl-fleet | Clusterpedia | times better |\n| --- | --- | --- | --- |");
    let mut table = Table(Vec::new());
    let (ours_rate, rival_rate) = (rate(ours), rate(rival));
    table.row(
        "syncPerSecond",
        "initial sync, objects/s",
        [ours_rate, rival_rate],
        0,
        ours_rate / rival_rate,
    );
    for (one, other) in ours.questions.iter().zip(&rival.questions) {
        assert_eq!(one.total, other.total, "{}: not the same answer", one.what);
        let what = format!("{}: {} objects; p50, ms", one.what, one.total);
        table.less(
            &format!("{}P50", one.figure),
            &what,
            one.usual,
            other.usual,
            1,
        );
        let what = format!("{}: p99, ms", one.what);
        table.less(
            &format!("{}P99", one.figure),
            &what,
            one.slow,
            other.slow,
            1,
        );
    }
    table.less(
        "visibleP50",
        "change visible: p50, ms",
        ours.visible.0,
        rival.visible.0,
        1,
    );
    table.less(
        "visibleP99",
        "change visible: p99, ms",
        ours.visible.1,
        rival.visible.1,
        1,
    );
    let (one, other) = (ours.restart.as_secs_f64(), rival.restart.as_secs_f64());
    table.less(
        "restartSeconds",
        "killed and started again until right, s",
        one,
        other,
        1,
    );
    let (one, other) = (ours.memory, rival.memory);
    table.less(
        "collectorMiB",
        "memory of what reads, at most, MiB",
        one.reads,
        other.reads,
        0,
    );
    table.less(
        "answererMiB",
        "memory of what answers, at most, MiB",
        one.answers,
        other.answers,
        0,
    );
    table.less(
        "memoryMiB",
        "memory in all, with the database, MiB",
        one.all(),
        other.all(),
        0,
    );
    println!();
    for (one, other) in ours.questions.iter().zip(&rival.questions) {
        if one.bytes > 0 {
            println!(
                "an answer {}: {} bytes, {} of Clusterpedia's",
                one.what, one.bytes, other.bytes
            );
        }
    }
    let all: Vec<String> = table
        .0
        .iter()
        .map(|(name, value)| format!("{name}={value:.3}"))
        .collect();
    println!("figures: {}", all.join(" "));
}
