// The graphs, pipelines and gangs of benches/dataflow, with OpenMP or oneTBB.
//   peer graph SHAPE NODES SPINS THREADS REPEATS
//   peer pipeline STAGES ITEMS SPINS THREADS REPEATS
//   peer gang empty|barrier MEMBERS STEPS REPEATS
//   peer metg SHAPE NODES THREADS REPEATS
//   peer cholesky ROWS TILE THREADS REPEATS
// Prints the name of the library, and the best time of a task, an item or a step, in nanoseconds.
// For `metg`, prints the shortest work of a task at an efficiency of 50 %.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>
#include "tiles.h"
#ifdef WITH_TBB
#include <tbb/flow_graph.h>
#include <tbb/global_control.h>
#include <tbb/parallel_pipeline.h>
#include <tbb/task_arena.h>
#else
#include <omp.h>
#endif

static uint64_t work(uint64_t x, int spins) {
    for (int i = 0; i < spins; i++) x = (x ^ (x >> 27)) * 6364136223846793005ull;
    return x;
}

static uint64_t mixed(uint64_t x) {
    x = (x + 0x9e3779b97f4a7c15ull);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

// The predecessors of task i, padded with -1.
static void before(const char *shape, long nodes, long i, long out[3]) {
    out[0] = out[1] = out[2] = -1;
    if (!strcmp(shape, "chain")) {
        out[0] = i - 1;
    } else if (!strcmp(shape, "tree")) {
        if (i > 0) out[0] = (i - 1) / 2;
    } else if (!strcmp(shape, "wavefront")) {
        long side = 1;
        while (side * side < nodes) side++;
        if (i >= side) out[0] = i - side;
        if (i % side) out[1] = i - 1;
    } else if (!strcmp(shape, "stencil")) {
        for (long k = 0; k < 3 && i >= 100; k++)
            if (i % 100 + k >= 1 && i % 100 + k <= 100) out[k] = i - 101 + k;
    } else if (!strcmp(shape, "fft")) {
        long layer = i / 512, bit = 1 << (layer + 8) % 9;
        if (layer) out[0] = i - 512, out[1] = (layer - 1) * 512 + ((i % 512) ^ bit);
    } else {
        for (int k = 0; k < 3 && i > 0; k++) out[k] = i - 1 - mixed(3 * i + k) % std::min(i, 64l);
    }
}

static double best_of(int repeats, long operations, const std::function<void()> &run) {
    double best = 1e300;
    for (int i = 0; i <= repeats; i++) {
        auto begin = std::chrono::steady_clock::now();
        run();
        std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
        if (i) best = std::min(best, took.count() / operations);
    }
    return best;
}

#ifndef WITH_TBB
// Empty parallel regions, or barriers in one region.
static double gang(const char *what, int members, int steps, int repeats) {
    omp_set_num_threads(members);
    if (!strcmp(what, "empty")) {
        return best_of(repeats, steps, [&] {
            for (int i = 0; i < steps; i++) {
#pragma omp parallel
                asm volatile("" ::: "memory");
            }
        });
    }
    return best_of(repeats, steps, [&] {
#pragma omp parallel
        for (int i = 0; i < steps; i++) {
#pragma omp barrier
        }
    });
}
#endif

#ifdef WITH_TBB
static const char *NAME = "oneTBB";
#else
static const char *NAME = "OpenMP";
#endif

// Returns the best time of a task in a graph, in nanoseconds.
static double graph(const char *shape, long nodes, int spins, int threads, int repeats) {
    double time = 0;
    std::vector<uint64_t> values(nodes + 1);
#ifdef WITH_TBB
    tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    tbb::task_arena arena(threads);
    arena.execute([&] {
        using Node = tbb::flow::continue_node<tbb::flow::continue_msg>;
        tbb::flow::graph graph;
        tbb::flow::broadcast_node<tbb::flow::continue_msg> start(graph);
        std::vector<std::unique_ptr<Node>> all;
        for (long i = 0; i < nodes; i++) {
            all.emplace_back(new Node(graph, [&values, i, spins](tbb::flow::continue_msg) {
                values[i] = work(i, spins);
            }));
            long list[3];
            before(shape, nodes, i, list);
            std::sort(list, list + 3);
            long *end = std::unique(list, list + 3);
            bool is_source = true;
            for (long *it = list; it < end; it++)
                if (*it >= 0) is_source = false, make_edge(*all[*it], *all[i]);
            if (is_source) make_edge(start, *all[i]);
        }
        time = best_of(repeats, nodes, [&] {
            start.try_put(tbb::flow::continue_msg());
            graph.wait_for_all();
        });
    });
#else
    omp_set_num_threads(threads);
    std::vector<std::vector<long>> lists(nodes);
    for (long i = 0; i < nodes; i++) {
        long list[3];
        before(shape, nodes, i, list);
        for (long it : list) if (it >= 0) lists[i].push_back(it);
    }
    uint64_t *v = values.data();
    time = best_of(repeats, nodes, [&] {
#pragma omp parallel
#pragma omp single
        for (long i = 0; i < nodes; i++) {
            const std::vector<long> &list = lists[i];
            switch (list.size()) {
            case 0:
#pragma omp task depend(out : v[i]) firstprivate(i)
                v[i] = work(i, spins);
                break;
            case 1:
#pragma omp task depend(in : v[list[0]]) depend(out : v[i]) firstprivate(i)
                v[i] = work(i, spins);
                break;
            case 2:
#pragma omp task depend(in : v[list[0]], v[list[1]]) depend(out : v[i]) firstprivate(i)
                v[i] = work(i, spins);
                break;
            default:
#pragma omp task depend(in : v[list[0]], v[list[1]], v[list[2]]) depend(out : v[i]) firstprivate(i)
                v[i] = work(i, spins);
            }
        }
    });
#endif
    return time;
}

// Returns how long work of `spins` takes, in nanoseconds.
static double alone(int spins) {
    uint64_t x = 1;
    double time = best_of(3, 1000, [&] { for (int i = 0; i < 1000; i++) x = work(x, spins); });
    asm volatile("" : : "r"(x));
    return time;
}

// Returns the shortest work of a task for which the graph takes at most twice as long as the work
// alone.
static double metg(const char *shape, long nodes, int threads, int repeats) {
    double spins = 8;
    while (2 * alone(spins) < graph(shape, nodes, spins, threads, repeats) * threads) spins *= 1.19;
    return alone(spins);
}

#ifndef WITH_TBB
// Returns the best time, in nanoseconds, to factor the matrix that has 1 / (1 + |i - j|) at (i, j),
// and 2 more on the diagonal.
static double cholesky(long rows, long tile, int threads, int repeats) {
    omp_set_num_threads(threads);
    long n = rows / tile;
    std::vector<std::vector<double>> tiles(n * n, std::vector<double>(tile * tile));
    double best = 1e300;
    for (int repeat = 0; repeat <= repeats; repeat++) {
        for (long i = 0; i < n; i++)
            for (long j = 0; j <= i; j++)
                for (long at = 0; at < tile * tile; at++) {
                    long row = i * tile + at / tile, column = j * tile + at % tile;
                    tiles[i * n + j][at] = 1.0 / (1 + labs(row - column)) + 2 * (row == column);
                }
        auto begin = std::chrono::steady_clock::now();
#pragma omp parallel
#pragma omp single
        for (long k = 0; k < n; k++)
            for (long i = k; i < n; i++)
                for (long j = k; j <= i; j++) {
                    double *it = tiles[i * n + j].data(), *pivot = tiles[k * n + k].data();
                    double *a = tiles[i * n + k].data(), *b = tiles[j * n + k].data();
                    if (i == k) {
#pragma omp task depend(inout : *it)
                        tile_factor(it, tile);
                    } else if (j == k) {
#pragma omp task depend(in : *pivot) depend(inout : *it)
                        tile_solve(pivot, it, tile);
                    } else {
#pragma omp task depend(in : *a, *b) depend(inout : *it)
                        tile_update(a, b, it, tile);
                    }
                }
        std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
        if (repeat) best = std::min(best, took.count());
    }
    return best;
}
#endif

int main(int argc, char **argv) {
    if (argc == 6 && !strcmp(argv[1], "metg")) {
        printf("%s %f\n", NAME, metg(argv[2], atol(argv[3]), atoi(argv[4]), atoi(argv[5])));
        return 0;
    }
#ifndef WITH_TBB
    if (argc == 6 && !strcmp(argv[1], "gang")) {
        double time = gang(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
        printf("%s %f\n", NAME, time);
    } else if (argc == 6 && !strcmp(argv[1], "cholesky")) {
        double time = cholesky(atol(argv[2]), atol(argv[3]), atoi(argv[4]), atoi(argv[5]));
        printf("%s %f\n", NAME, time);
    }
#endif
    if (argc == 6) return 0;
    if (argc != 7) return 1;
    int spins = atoi(argv[4]), threads = atoi(argv[5]), repeats = atoi(argv[6]);
    if (!strcmp(argv[1], "graph")) {
        printf("%s %f\n", NAME, graph(argv[2], atol(argv[3]), spins, threads, repeats));
        return 0;
    }
#ifdef WITH_TBB
    int stages = atoi(argv[2]);
    long items = atol(argv[3]);
    tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    tbb::task_arena arena(threads);
    uint64_t sum = 0;
    double time = best_of(repeats, items, [&] {
        arena.execute([&] {
            long next = 0;
            tbb::filter<void, uint64_t> chain = tbb::make_filter<void, uint64_t>(
                tbb::filter_mode::serial_in_order, [&](tbb::flow_control &control) -> uint64_t {
                    if (next == items) return control.stop(), 0;
                    return work(next++, spins);
                });
            for (int i = 2; i < stages; i++)
                chain = chain & tbb::make_filter<uint64_t, uint64_t>(
                    tbb::filter_mode::parallel, [=](uint64_t x) { return work(x, spins); });
            tbb::parallel_pipeline(4 * threads, chain & tbb::make_filter<uint64_t, void>(
                tbb::filter_mode::serial_in_order, [&](uint64_t x) { sum += work(x, spins); }));
        });
    });
    printf("%s %f\n", NAME, time);
    return sum == 1;
#else
    return 0;
#endif
}
