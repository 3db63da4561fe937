//! The order of a graph's tasks, made once for any number of runs: the successors of each task, the
//! number of its predecessors, and the length of the longest path from it to the end.

/// A list of tasks for each task, one behind the other. (A `Vec` for each would be one more
/// allocation a task.)
#[derive(Default)]
pub(super) struct Lists {
    ends: Vec<u32>,
    all: Vec<u32>,
}

impl Lists {
    /// Appends the list of the next task, sorted and without duplicates.
    pub(super) fn push(&mut self, list: impl Iterator<Item = u32>) {
        let start = self.all.len();
        self.all.extend(list);
        self.all[start..].sort_unstable();
        let mut end = start;
        for at in start..self.all.len() {
            if at == start || self.all[at] != self.all[end - 1] {
                self.all[end] = self.all[at];
                end += 1;
            }
        }
        self.all.truncate(end);
        self.ends.push(end as u32);
    }

    fn iter(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.ends.len()).map(|task| self.of(task))
    }

    fn of(&self, task: usize) -> &[u32] {
        let start = task.checked_sub(1).map_or(0, |task| self.ends[task]);
        &self.all[start as usize..self.ends[task] as usize]
    }
}

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
    pub(super) fn new(before: &Lists) -> Result<Self, Vec<u32>> {
        let mut plan = Plan {
            before: before.iter().map(|list| list.len() as u32).collect(),
            ..Plan::default()
        };
        plan.invert(before);
        plan.sources = plan.all().filter(|task| plan.before[*task as usize] == 0).collect();
        plan.sort();
        match plan.order.len() == plan.before.len() {
            true => Ok(plan),
            false => Err(plan.cycle(before)),
        }
    }

    fn all(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.before.len() as u32
    }

    pub(super) fn successors(&self, task: u32) -> &[u32] {
        let task = task as usize;
        &self.successors[self.starts[task] as usize..self.starts[task + 1] as usize]
    }

    fn invert(&mut self, before: &Lists) {
        let mut counts = vec![0_u32; before.ends.len() + 1];
        before.all.iter().for_each(|task| counts[*task as usize] += 1);
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
    fn cycle(&self, before: &Lists) -> Vec<u32> {
        let mut is_left = vec![true; self.before.len()];
        self.order.iter().for_each(|task| is_left[*task as usize] = false);
        let left = |task: &u32| is_left[*task as usize];
        let mut path: Vec<u32> = self.all().find(left).into_iter().collect();
        let mut place = vec![usize::MAX; self.before.len()];
        loop {
            let last = path[path.len() - 1];
            place[last as usize] = path.len() - 1;
            let Some(&earlier) = before.of(last as usize).iter().find(|task| left(task)) else {
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
