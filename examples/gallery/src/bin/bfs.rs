//! Breadth-first search: how far each vertex of a large graph is from one of them.
//!
//! The graph is made up by the recipe R-MAT. Some vertices have very many neighbors, as in social
//! networks. The search goes level by level: a loop over the vertices of one level collects the
//! next one. A vertex may be found several times at once; an atomic decides which finder takes it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use clap::Parser;
use filch::prelude::*;
use gallery::{Random, Result, compare};

#[derive(Parser)]
struct Arguments {
    /// The graph has 2 to the power of this many vertices
    #[arg(long, default_value_t = 18, value_parser = clap::value_parser!(u32).range(1..=26))]
    scale: u32,
    /// Edges for each vertex
    #[arg(long, default_value_t = 16)]
    degree: usize,
}

/// The distance of what cannot be reached.
const FAR: u32 = u32::MAX;

/// The neighbors of vertex `v` are `edges[begins[v]..begins[v + 1]]`.
struct Graph {
    begins: Vec<usize>,
    edges: Vec<u32>,
}

impl Graph {
    fn new(scale: u32, degree: usize) -> Graph {
        let count = degree << scale;
        let edge = |i| {
            let (a, b) = random_edge(scale, &mut Random::new(1, i as u64));
            [(a, b), (b, a)]
        };
        let mut pairs: Vec<_> = (0..count).into_par_iter().flat_map_iter(edge).collect();
        pairs.par_sort_unstable();
        pairs.par_dedup();
        let begin = |v| pairs.partition_point(|&(from, _)| (from as usize) < v);
        let begins = (0..=1_usize << scale).into_par_iter().map(begin).collect();
        Graph { begins, edges: pairs.into_par_iter().map(|(_, to)| to).collect() }
    }

    fn neighbors(&self, v: u32) -> &[u32] {
        &self.edges[self.begins[v as usize]..self.begins[v as usize + 1]]
    }

    fn vertices(&self) -> usize {
        self.begins.len() - 1
    }
}

/// Each bit of the two ends is decided in turn. Low numbers are more likely than high ones.
fn random_edge(scale: u32, random: &mut Random) -> (u32, u32) {
    (0..scale).fold((0, 0), |(a, b), _| {
        let (x, y) = match random.unit() {
            p if p < 0.57 => (0, 0),
            p if p < 0.76 => (0, 1),
            p if p < 0.95 => (1, 0),
            _ => (1, 1),
        };
        (2 * a + x, 2 * b + y)
    })
}

fn search_serially(graph: &Graph, root: u32) -> Vec<u32> {
    let mut distances = vec![FAR; graph.vertices()];
    distances[root as usize] = 0;
    let mut queue = VecDeque::from([root]);
    while let Some(v) = queue.pop_front() {
        for &w in graph.neighbors(v) {
            if distances[w as usize] == FAR {
                distances[w as usize] = distances[v as usize] + 1;
                queue.push_back(w);
            }
        }
    }
    distances
}

fn search(graph: &Graph, root: u32) -> Vec<u32> {
    let distances: Vec<_> = (0..graph.vertices()).map(|_| AtomicU32::new(FAR)).collect();
    distances[root as usize].store(0, Relaxed);
    let (mut level, mut distance) = (vec![root], 0);
    while !level.is_empty() {
        distance += 1;
        // Most vertices were seen before. Looking first is cheaper than an exchange that fails.
        let is_new = |&w: &u32| {
            let seen = &distances[w as usize];
            seen.load(Relaxed) == FAR
                && seen.compare_exchange(FAR, distance, Relaxed, Relaxed).is_ok()
        };
        let found = level.par_iter().flat_map_iter(|&v| graph.neighbors(v).iter().copied());
        level = found.filter(is_new).collect();
    }
    distances.into_iter().map(AtomicU32::into_inner).collect()
}

fn main() -> Result {
    let Arguments { scale, degree } = Arguments::parse();
    let graph = Graph::new(scale, degree);
    let (vertices, edges) = (graph.vertices(), graph.edges.len() / 2);
    println!("breadth-first search of a graph with {vertices} vertices and {edges} edges");
    let root = (0..vertices as u32).max_by_key(|&v| graph.neighbors(v).len()).unwrap_or(0);
    let distances = compare(|| search_serially(&graph, root), || search(&graph, root))?;

    println!("\ndistance  vertices");
    let farthest = distances.iter().filter(|&&d| d != FAR).max().map_or(0, |&d| d as usize);
    let counts = distances.par_histogram(farthest + 2, |&d| (d as usize).min(farthest + 1));
    for (distance, count) in counts[..=farthest].iter().enumerate() {
        println!("{distance:8}  {count:8}");
    }
    println!("no path   {:8}", counts[farthest + 1]);
    println!("answer right");
    Ok(())
}
