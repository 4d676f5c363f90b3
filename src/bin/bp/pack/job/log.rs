//! What a command wrote, in bounded memory.

/// Bytes of output that are kept from its beginning, and as many from its end.
const KEPT: usize = 512 << 10;

/// Output: its beginning, its end, and how much it was.
#[derive(Debug, Default)]
pub(super) struct Log {
    head: Vec<u8>,
    tail: Vec<u8>,
    pub(super) count: u64,
}

impl Log {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.count += bytes.len() as u64;
        let (head, rest) = bytes.split_at(bytes.len().min(KEPT - self.head.len()));
        self.head.extend_from_slice(head);
        self.tail.extend_from_slice(rest);
        if self.tail.len() > 2 * KEPT {
            self.tail.drain(..self.tail.len() - KEPT);
        }
    }

    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        let end = self.tail.split_off(self.tail.len().saturating_sub(KEPT));
        let left = self.count - (self.head.len() + end.len()) as u64;
        if left > 0 {
            self.head.extend_from_slice(format!("\n[... {left} bytes left out ...]\n").as_bytes());
        }
        self.head.extend(end);
        self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_its_beginning_and_its_end_and_says_what_is_left_out() {
        let mut log = Log::default();
        log.push(b"first\n");
        for _ in 0..1000 {
            log.push(&[b'x'; 5000]);
        }
        log.push(b"last\n");
        let count = log.count;
        let text = String::from_utf8(log.into_bytes()).unwrap();
        assert!(text.starts_with("first\n") && text.ends_with("last\n"));
        let left = count - 2 * KEPT as u64;
        assert!(text.contains(&format!("[... {left} bytes left out ...]")), "{left}");
        let mut short = Log::default();
        short.push(b"all");
        assert_eq!(short.into_bytes(), b"all");
    }
}
