//! The order of a graph's tasks, made once for any number of runs: the successors of each task, the
//! number of its predecessors, and the length of the longest path from it to the end.

/// A list of tasks for each task, one behind the other.
#[derive(Default)]
pub(super) struct Lists {
    /// Where each list begins in `all`, and where the last one ends.
    starts: Vec<u32>,
    all: Vec<u32>,
}

impl Lists {
    /// Puts the second of each pair into the list of the first.
    fn new(tasks: usize, pairs: impl DoubleEndedIterator<Item = (u32, u32)> + Clone) -> Self {
        let mut starts = vec![0_u32; tasks + 1];
        pairs.clone().for_each(|(task, _)| starts[task as usize] += 1);
        let mut end = 0;
        starts.iter_mut().for_each(|count| {
            end += *count;
            *count = end;
        });
        let mut all = vec![0; end as usize];
        // Each list is filled from its end. Its start moves down to each entry as it is written.
        for (task, entry) in pairs.rev() {
            let place = &mut starts[task as usize];
            *place -= 1;
            all[*place as usize] = entry;
        }
        Lists { starts, all }
    }

    pub(super) fn of(&self, task: usize) -> &[u32] {
        &self.all[self.starts[task] as usize..self.starts[task + 1] as usize]
    }

    pub(super) fn of_mut(&mut self, task: usize) -> &mut [u32] {
        &mut self.all[self.starts[task] as usize..self.starts[task + 1] as usize]
    }
}

/// For each of `tasks` tasks, the tasks that come directly before it.
pub(super) fn predecessors(tasks: usize, edges: &[(u32, u32)]) -> Lists {
    Lists::new(tasks, edges.iter().map(|&(earlier, later)| (later, earlier)))
}

/// The edges of a graph without cycles.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) successors: Lists,
    /// How many edges lead to each task.
    pub(super) before: Vec<u32>,
    /// The tasks without a predecessor.
    pub(super) sources: Vec<u32>,
    /// All tasks, each behind its predecessors.
    order: Vec<u32>,
}

impl Plan {
    /// Returns a plan for `tasks` tasks. The first task of each pair comes directly before the
    /// second.
    ///
    /// # Errors
    /// Returns the tasks of a cycle, each of which comes before the next, and the last before the
    /// first.
    pub(super) fn new(tasks: usize, edges: &[(u32, u32)]) -> Result<Self, Vec<u32>> {
        let successors = Lists::new(tasks, edges.iter().copied());
        let mut before = vec![0; tasks];
        successors.all.iter().for_each(|task| before[*task as usize] += 1);
        let all = 0..tasks as u32;
        let sources = all.clone().filter(|task| before[*task as usize] == 0).collect();
        let mut plan = Plan { successors, before, sources, order: all.collect() };
        if edges.iter().any(|(earlier, later)| earlier >= later) {
            plan.sort();
        }
        match plan.order.len() == tasks {
            true => Ok(plan),
            false => Err(plan.cycle(&predecessors(tasks, edges))),
        }
    }

    pub(super) fn successors(&self, task: u32) -> &[u32] {
        self.successors.of(task as usize)
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
        let mut path: Vec<u32> = (0..self.before.len() as u32).find(left).into_iter().collect();
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
