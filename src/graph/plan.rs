//! The order of a graph's tasks, made once for any number of runs: the successors of each task, the
//! number of its predecessors, and the length of the longest path from it to the end.

/// The edges of a graph without cycles.
#[derive(Default)]
pub(super) struct Plan {
    /// Where the successors of each task begin in `successors`, and where the last ones end.
    starts: Vec<u32>,
    successors: Vec<u32>,
    /// How many tasks come directly before each task.
    pub(super) before: Vec<u32>,
    /// The tasks without a predecessor.
    pub(super) sources: Vec<u32>,
    /// All tasks, each behind its predecessors.
    order: Vec<u32>,
}

impl Plan {
    /// Returns a plan. `before` holds, for each task, the tasks that come directly before it.
    ///
    /// # Errors
    /// Returns the tasks of a cycle, each of which comes before the next, and the last before the
    /// first.
    pub(super) fn new(mut before: Vec<Vec<u32>>) -> Result<Self, Vec<u32>> {
        for list in &mut before {
            list.sort_unstable();
            list.dedup();
        }
        let mut plan = Plan {
            before: before.iter().map(|list| list.len() as u32).collect(),
            ..Plan::default()
        };
        plan.invert(&before);
        plan.sources = plan.all().filter(|task| before[*task as usize].is_empty()).collect();
        plan.sort();
        match plan.order.len() == before.len() {
            true => Ok(plan),
            false => Err(plan.cycle(&before)),
        }
    }

    fn all(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.before.len() as u32
    }

    pub(super) fn successors(&self, task: u32) -> &[u32] {
        let task = task as usize;
        &self.successors[self.starts[task] as usize..self.starts[task + 1] as usize]
    }

    fn invert(&mut self, before: &[Vec<u32>]) {
        let mut counts = vec![0_u32; before.len() + 1];
        before.iter().flatten().for_each(|task| counts[*task as usize] += 1);
        let mut next = 0;
        self.starts = counts.iter().map(|count| (next, next += count).0).collect();
        self.successors = vec![0; next as usize];
        let mut ends = self.starts.clone();
        for (task, list) in before.iter().enumerate() {
            for earlier in list {
                let end = &mut ends[*earlier as usize];
                self.successors[*end as usize] = task as u32;
                *end += 1;
            }
        }
    }

    /// Fills `order`, by Kahn's algorithm. Tasks on a cycle or after one are left out.
    fn sort(&mut self) {
        let mut missing = self.before.clone();
        let mut order = self.sources.clone();
        let mut at = 0;
        while let Some(&task) = order.get(at) {
            at += 1;
            for &later in self.successors(task) {
                missing[later as usize] -= 1;
                if missing[later as usize] == 0 {
                    order.push(later);
                }
            }
        }
        self.order = order;
    }

    /// Returns a cycle among the tasks that `sort` has left out. Each of these comes directly after
    /// one of them.
    fn cycle(&self, before: &[Vec<u32>]) -> Vec<u32> {
        let mut is_left = vec![true; before.len()];
        self.order.iter().for_each(|task| is_left[*task as usize] = false);
        let left = |task: &u32| is_left[*task as usize];
        let mut path: Vec<u32> = self.all().find(left).into_iter().collect();
        let mut place = vec![usize::MAX; before.len()];
        loop {
            let last = path[path.len() - 1];
            place[last as usize] = path.len() - 1;
            let Some(&earlier) = before[last as usize].iter().find(|task| left(task)) else {
                unreachable!("a task that is left has one that is left before it")
            };
            if place[earlier as usize] != usize::MAX {
                let mut cycle = path.split_off(place[earlier as usize]);
                cycle.reverse();
                // From the task that was added first.
                let first = cycle.iter().enumerate().min_by_key(|(_, task)| **task);
                let first = first.map_or(0, |(place, _)| place);
                cycle.rotate_left(first);
                return cycle;
            }
            path.push(earlier);
        }
    }

    /// The length of the longest path from the beginning of each task to the end of the graph.
    pub(super) fn ranks(&self, cost: impl Fn(usize) -> u64) -> Vec<u64> {
        let mut ranks = vec![0_u64; self.before.len()];
        for &task in self.order.iter().rev() {
            let rest = self.successors(task).iter().map(|later| ranks[*later as usize]).max();
            ranks[task as usize] = cost(task as usize).saturating_add(rest.unwrap_or(0));
        }
        ranks
    }
}
