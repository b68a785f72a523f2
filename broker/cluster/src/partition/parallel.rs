//! Blocking work on many partitions at once: disks take several requests better than one after the
//! other.

use std::sync::Mutex;
use std::thread;

use crate::lock::whole;

/// Maps items on up to `threads` threads; the results keep the items' order. Blocks until all are
/// done.
pub(super) fn in_parallel<T: Send, R: Send>(
    items: Vec<T>,
    threads: usize,
    map: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let threads = threads.clamp(1, items.len().max(1));
    let mut results: Vec<Option<R>> = Vec::new();
    results.resize_with(items.len(), || None);
    // A std mutex: held to take the next item with the place of its result.
    let work = Mutex::new(items.into_iter().zip(results.iter_mut()));
    let run = || {
        loop {
            let next = whole(&work).next();
            let Some((item, result)) = next else { return };
            *result = Some(map(item));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(run);
        }
        run();
    });
    drop(work);
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let squares: Vec<u64> = (0..100).map(|number| number * number).collect();
        for threads in [0, 1, 3, 200] {
            assert_eq!(in_parallel((0..100).collect(), threads, |n: u64| n * n), squares);
        }
        assert_eq!(in_parallel(Vec::<u64>::new(), 4, |n| n), Vec::<u64>::new());
    }
}
