//! Metrics in the text format of Prometheus.

use std::fmt::{self, Display, Write};

use super::{Histogram, Metrics, WorkerMetrics};
use crate::worker::counters::WorkerCounters;

/// The buckets that are written end at powers of two of nanoseconds: from 256 ns to 69 s, by fours.
const POWERS: std::ops::RangeInclusive<u32> = 8..=36;
const POWER_STEP: usize = 2;

impl Metrics {
    /// Returns the metrics in the text format of Prometheus.
    ///
    /// ```
    /// let text = filch::metrics().to_prometheus();
    /// assert!(text.contains("# TYPE filch_tasks_run_total counter"));
    /// ```
    pub fn to_prometheus(&self) -> String {
        text(std::slice::from_ref(self))
    }
}

/// Returns the metrics of pools as text. All samples of one metric are together, as the format
/// demands.
pub(super) fn text(pools: &[Metrics]) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = Writer { text: &mut text, pools, name: String::new() }.all();
    text
}

struct Writer<'w> {
    text: &'w mut String,
    pools: &'w [Metrics],
    /// The name of the metric that was begun last.
    name: String,
}

impl Writer<'_> {
    fn all(&mut self) -> fmt::Result {
        self.counters()?;
        self.family("worker_seconds_total", "counter", "The time of each worker, by what it did.")?;
        self.each_worker(|sample, worker| {
            let mut times = worker.times().into_iter();
            times.try_for_each(|(activity, time)| {
                sample.write("activity", activity, time.as_secs_f64())
            })
        })?;
        self.family("worker_queued", "gauge", "What is queued at each worker.")?;
        self.each_worker(|sample, worker| {
            let kinds =
                [("forks", worker.forks), ("tasks", worker.tasks), ("pinned", worker.pinned)];
            kinds.into_iter().try_for_each(|(kind, queued)| sample.write("kind", kind, queued))
        })?;
        self.family("queue_depth", "gauge", "Queued tasks of each class.")?;
        self.each_pool(|sample, pool| {
            let mut queues = pool.queues.iter();
            queues.try_for_each(|queue| sample.write("class", queue.class, queue.depth))
        })?;
        self.family(
            "queue_oldest_wait_seconds",
            "gauge",
            "For how long the oldest queued task of each class has waited, of those that are \
             measured.",
        )?;
        self.each_pool(|sample, pool| {
            let waits = pool.queues.iter().filter_map(|it| Some((it.class, it.oldest_wait?)));
            waits
                .into_iter()
                .try_for_each(|(class, wait)| sample.write("class", class, wait.as_secs_f64()))
        })?;
        self.gauge("spare_threads", "Spare threads.", |pool| pool.spare_threads)?;
        self.gauge("threads_off_core", "Threads without their core.", |pool| {
            pool.threads_off_core
        })?;
        self.gauge("threads_blocking", "Calls of `blocking` that have not returned.", |pool| {
            pool.threads_blocking
        })?;
        self.histogram(
            "task_wait_seconds",
            "For how long tasks were queued, of those that were measured.",
            |pool| pool.queue_waits.as_ref(),
        )?;
        self.histogram(
            "task_run_seconds",
            "For how long tasks ran, of those that were measured.",
            |pool| pool.run_times.as_ref(),
        )
    }

    fn counters(&mut self) -> fmt::Result {
        for (index, (name, doc, _)) in WorkerCounters::default().all().into_iter().enumerate() {
            // The first sentence says what is counted.
            let help = doc.trim().split(['.', ':']).next().unwrap_or_default();
            self.family(&format!("{name}_total"), "counter", &format!("{help}."))?;
            self.each_worker(|sample, worker| {
                let (_, _, value) = worker.counters.all()[index];
                sample.write("", "", value)
            })?;
        }
        Ok(())
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) -> fmt::Result {
        self.name = format!("filch_{name}");
        writeln!(self.text, "# HELP {0} {help}\n# TYPE {0} {kind}", self.name)
    }

    fn gauge(&mut self, name: &str, help: &str, of: fn(&Metrics) -> usize) -> fmt::Result {
        self.family(name, "gauge", help)?;
        self.each_pool(|sample, pool| sample.write("", "", of(pool)))
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        of: fn(&Metrics) -> Option<&Histogram>,
    ) -> fmt::Result {
        self.family(name, "histogram", help)?;
        self.each_pool(|sample, pool| {
            let Some(histogram) = of(pool) else { return Ok(()) };
            for power in POWERS.step_by(POWER_STEP) {
                let bound = (1_u64 << power) as f64 / 1e9;
                sample.of("_bucket").write("le", bound, histogram.below(power))?;
            }
            sample.of("_bucket").write("le", "+Inf", histogram.count())?;
            sample.of("_sum").write("", "", histogram.sum().as_secs_f64())?;
            sample.of("_count").write("", "", histogram.count())
        })
    }

    fn each_pool(&mut self, write: impl Fn(&mut Sample, &Metrics) -> fmt::Result) -> fmt::Result {
        for pool in self.pools {
            write(&mut self.sample(&labels(pool)), pool)?;
        }
        Ok(())
    }

    fn each_worker(
        &mut self,
        write: impl Fn(&mut Sample, &WorkerMetrics) -> fmt::Result,
    ) -> fmt::Result {
        for pool in self.pools {
            for (index, worker) in pool.workers.iter().enumerate() {
                let labels = format!("{},worker=\"{index}\"", labels(pool));
                write(&mut self.sample(&labels), worker)?;
            }
        }
        Ok(())
    }

    fn sample<'s>(&'s mut self, labels: &'s str) -> Sample<'s> {
        Sample { text: self.text, name: &self.name, part: "", labels }
    }
}

fn labels(pool: &Metrics) -> String {
    format!("pool=\"{}\",name=\"{}\"", pool.pool, escaped(&pool.name))
}

/// A label's value with what the format does not allow in it escaped.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

struct Sample<'w> {
    text: &'w mut String,
    name: &'w str,
    /// What follows the name.
    part: &'static str,
    labels: &'w str,
}

impl Sample<'_> {
    fn of(&mut self, part: &'static str) -> &mut Self {
        self.part = part;
        self
    }

    /// Writes one sample, with one more label unless `label` is empty.
    fn write(&mut self, label: &str, is: impl Display, value: impl Display) -> fmt::Result {
        let Sample { text, name, part, labels } = self;
        write!(text, "{name}{part}{{{labels}")?;
        if !label.is_empty() {
            write!(text, ",{label}=\"{is}\"")?;
        }
        writeln!(text, "}} {value}")
    }
}
