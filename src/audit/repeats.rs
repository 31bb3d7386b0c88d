//! Counts values that repeat among millions that mostly do not, in a fraction of the time that sorting them takes.

/// Bits for each value: about one value in sixteen then shares its bit with another.
const BITS_PER_VALUE: usize = 8;

/// The number of different values that occur more than once in `values`, which are spread evenly over all numbers.
pub fn count_repeated(mut values: Vec<u64>) -> u64 {
    let bits = (values.len() * BITS_PER_VALUE).next_power_of_two().max(64);
    // The first bits of a value tell its place.
    let place = |value: u64| (value >> (64 - bits.ilog2())) as usize;
    let (mut seen, mut again) = (vec![0u64; bits / 64], vec![0u64; bits / 64]);
    for &value in &values {
        let (word, bit) = (place(value) / 64, 1 << (place(value) % 64));
        if seen[word] & bit != 0 {
            again[word] |= bit;
        }
        seen[word] |= bit;
    }
    values.retain(|&value| again[place(value) / 64] >> (place(value) % 64) & 1 == 1);
    values.sort_unstable();
    values.chunk_by(|a, b| a == b).filter(|same| same.len() > 1).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_counted_once_and_nothing_else() {
        let mut random = fastrand::Rng::with_seed(5);
        for len in [0, 1, 2, 10, 1000, 20_000] {
            let mut values: Vec<u64> = (0..len).map(|_| random.u64(..)).collect();
            assert_eq!(count_repeated(values.clone()), 0);
            values.extend_from_within(..len / 3);
            values.extend_from_within(..len / 10);
            random.shuffle(&mut values);
            assert_eq!(count_repeated(values.clone()), (len / 3) as u64);
        }
        assert_eq!(count_repeated(vec![0, u64::MAX, 0, u64::MAX, 0, 1]), 2);
    }
}
