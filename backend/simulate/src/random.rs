//! The crate's only source of randomness: xoshiro256++ seeded by SplitMix64.
//!
//! Not for cryptography, keys or salts. Source: Blackman and Vigna, "Scrambled linear
//! pseudorandom number generators", 2021; the reference code is in the public domain.

/// A small deterministic generator; equal seeds give equal sequences on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// A generator for `seed`. Any seed is good, zero included.
    pub fn new(seed: u64) -> Self {
        let mut mixer = seed;
        let state = [(); 4].map(|()| split_mix(&mut mixer));
        Self { state }
    }

    /// A generator for one purpose of one device, unrelated to those of other purposes, so that
    /// drawing more for one purpose does not move another.
    pub fn for_purpose(seed: u64, device_index: u32, purpose: u64) -> Self {
        let mut mixer = seed ^ (u64::from(device_index) << 32) ^ purpose;
        let first = split_mix(&mut mixer);
        Self::new(first ^ purpose.rotate_left(17) ^ u64::from(device_index))
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Standard normal, by the method of Box and Muller (1958); one of the pair is dropped to
    /// keep the generator without hidden state.
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(core::f64::consts::TAU * self.unit())
    }

    /// Exponential with the given mean: the waiting time of a Poisson process.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.unit())
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_mix_gives_the_published_sequence() {
        let mut state = 1_234_567;
        assert_eq!(split_mix(&mut state), 6_457_827_717_110_365_317);
        assert_eq!(split_mix(&mut state), 3_203_168_211_198_807_973);
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut random = Random::new(1);
        let n = 100_000;
        let normals: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(n);
        let variance = normals.iter().map(|x| x * x).sum::<f64>() / f64::from(n);
        let waiting = (0..n).map(|_| random.exponential(3.0)).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.02, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.03, "variance {variance}");
        assert!((waiting - 3.0).abs() < 0.06, "waiting {waiting}");
    }
}
