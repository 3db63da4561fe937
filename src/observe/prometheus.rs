//! Metrics in the text format of Prometheus.

use std::fmt::Display;

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
    let mut writer = Writer { text: String::new(), pools };
    writer.workers();
    writer.queues();
    writer.threads();
    writer.histogram(
        "task_wait_seconds",
        "For how long tasks were queued, of those that were measured.",
        |pool| pool.queue_waits.as_ref(),
    );
    writer.histogram(
        "task_run_seconds",
        "For how long tasks ran, of those that were measured.",
        |pool| pool.run_times.as_ref(),
    );
    writer.text
}

struct Writer<'w> {
    text: String,
    pools: &'w [Metrics],
}

/// Writes one sample, given what follows the name of the metric, further labels, and the value.
type Write<'w> = &'w mut dyn FnMut(&str, &[(&str, &dyn Display)], &dyn Display);

impl Writer<'_> {
    fn workers(&mut self) {
        for (index, (name, doc, _)) in WorkerCounters::default().all().into_iter().enumerate() {
            // The first sentence says what is counted.
            let help = doc.trim().split(['.', ':']).next().unwrap_or_default();
            let (name, help) = (format!("{name}_total"), format!("{help}."));
            self.of_workers(&name, "counter", &help, |worker, write| {
                let (_, _, value) = worker.counters.all()[index];
                write("", &[], &value);
            });
        }
        let help = "The time of each worker, by what it did.";
        self.of_workers("worker_seconds_total", "counter", help, |worker, write| {
            for (activity, time) in worker.times() {
                write("", &[("activity", &activity)], &time.as_secs_f64());
            }
        });
        let help = "What is queued at each worker.";
        self.of_workers("worker_queued", "gauge", help, |worker, write| {
            write("", &[("kind", &"forks")], &worker.forks);
            write("", &[("kind", &"tasks")], &worker.tasks);
            write("", &[("kind", &"pinned")], &worker.pinned);
        });
    }

    fn queues(&mut self) {
        self.metric("queue_depth", "gauge", "Queued tasks of each class.", |pool, write| {
            pool.queues.iter().for_each(|it| write("", &[("class", &it.class)], &it.depth));
        });
        let help = "For how long the oldest queued task of each class has waited, of those that \
                    are measured.";
        self.metric("queue_oldest_wait_seconds", "gauge", help, |pool, write| {
            for queue in &pool.queues {
                if let Some(wait) = queue.oldest_wait {
                    write("", &[("class", &queue.class)], &wait.as_secs_f64());
                }
            }
        });
    }

    fn threads(&mut self) {
        let mut gauge = |name, help, of: fn(&Metrics) -> usize| {
            self.metric(name, "gauge", help, |pool, write| write("", &[], &of(pool)));
        };
        gauge("spare_threads", "Spare threads.", |pool| pool.spare_threads);
        gauge("threads_off_core", "Threads without their core.", |pool| pool.threads_off_core);
        let help = "Calls of `blocking` that have not returned.";
        gauge("threads_blocking", help, |pool| pool.threads_blocking);
    }

    fn histogram(&mut self, name: &str, help: &str, of: fn(&Metrics) -> Option<&Histogram>) {
        self.metric(name, "histogram", help, |pool, write| {
            let Some(histogram) = of(pool) else { return };
            for power in POWERS.step_by(POWER_STEP) {
                let bound = (1_u64 << power) as f64 / 1e9;
                write("_bucket", &[("le", &bound)], &histogram.below(power));
            }
            write("_bucket", &[("le", &"+Inf")], &histogram.count());
            write("_sum", &[], &histogram.sum().as_secs_f64());
            write("_count", &[], &histogram.count());
        });
    }

    fn of_workers(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl Fn(&WorkerMetrics, Write),
    ) {
        self.metric(name, kind, help, |pool, write| {
            for (index, worker) in pool.workers.iter().enumerate() {
                let index: &dyn Display = &index;
                samples(worker, &mut |part, labels, value| {
                    write(part, &[&[("worker", index)], labels].concat(), value);
                });
            }
        });
    }

    fn metric(&mut self, name: &str, kind: &str, help: &str, samples: impl Fn(&Metrics, Write)) {
        let text = &mut self.text;
        *text += &format!("# HELP filch_{name} {help}\n# TYPE filch_{name} {kind}\n");
        for pool in self.pools {
            let pool_name = escaped(&pool.name);
            samples(pool, &mut |part, labels, value| {
                *text +=
                    &format!("filch_{name}{part}{{pool=\"{}\",name=\"{pool_name}\"", pool.pool);
                labels.iter().for_each(|(label, is)| *text += &format!(",{label}=\"{is}\""));
                *text += &format!("}} {value}\n");
            });
        }
    }
}

/// A label's value with what the format does not allow in it escaped.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
