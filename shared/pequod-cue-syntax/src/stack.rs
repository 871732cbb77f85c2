//! How deep the stack is, without asking the system each time.
//!
//! What recurses over sources and values goes on on a new piece of stack when little is left of the present one. How
//! much is left is known to the system, but finding it out takes longer than many an evaluation. So nobody asks before
//! a good deal has been used since the recursion began: whoever begins one has [`ASSUMED`] bytes left, and [`RESERVE`].

/// What is left for a step, between two looks; a recursion of another kind that begins in a step assumes less.
const RESERVE: usize = 512 << 10;

/// What may be used before anybody asks how much is left.
const ASSUMED: usize = 128 << 10;

/// A new piece of stack.
const PIECE: usize = 4 << 20;

/// Where the present piece of stack is about to end.
#[derive(Debug, Default)]
pub struct Stack {
    end: usize,
}

/// Something that recurses, and knows its stack.
pub trait Recursive {
    /// Its stack.
    fn stack(&mut self) -> &mut Stack;

    /// To be called where the recursion begins: on whatever stack that is.
    fn begin(&mut self) {
        let here = here();
        self.stack().end = here.saturating_sub(ASSUMED);
    }

    /// Runs a step of the recursion, with enough stack.
    fn with_stack<T>(&mut self, step: impl FnOnce(&mut Self) -> T) -> T {
        if here() > self.stack().end {
            step(self)
        } else {
            on_more(self, step)
        }
    }
}

/// The assumption is used up: look, and go on elsewhere if need be.
#[cold]
#[inline(never)]
fn on_more<R: Recursive + ?Sized, T>(recursive: &mut R, step: impl FnOnce(&mut R) -> T) -> T {
    let left = stacker::remaining_stack().unwrap_or_default();
    if left > 2 * RESERVE {
        recursive.stack().end = here().saturating_sub(left - RESERVE);
        return step(recursive);
    }
    let end = recursive.stack().end;
    let result = stacker::grow(PIECE, || {
        recursive.stack().end = here().saturating_sub(PIECE - RESERVE);
        step(recursive)
    });
    recursive.stack().end = end;
    result
}

/// An address of the present frame.
#[inline]
fn here() -> usize {
    let mark = 0_u8;
    std::hint::black_box(std::ptr::from_ref(&mark)).addr()
}

#[cfg(test)]
mod tests {
    use super::{Recursive, Stack};

    struct Count {
        stack: Stack,
        depth: usize,
    }

    impl Recursive for Count {
        fn stack(&mut self) -> &mut Stack {
            &mut self.stack
        }
    }

    impl Count {
        fn down(&mut self, levels: usize) -> usize {
            let room = std::hint::black_box([1_u8; 4096]);
            if levels == 0 {
                return self.depth;
            }
            self.depth += usize::from(room[levels % room.len()]);
            self.with_stack(|count| count.down(levels - 1))
        }
    }

    #[test]
    fn recursion_deeper_than_any_thread_s_stack_ends() {
        let mut count = Count {
            stack: Stack::default(),
            depth: 0,
        };
        count.begin();
        assert_eq!(count.down(50_000), 50_000);
        // And again, on another stack.
        let again = std::thread::spawn(move || {
            count.begin();
            count.down(50_000)
        });
        assert_eq!(again.join().unwrap(), 100_000);
    }
}
