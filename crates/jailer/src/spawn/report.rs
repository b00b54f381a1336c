//! How a child that could not exec says so: the step and the error number, eight bytes on a pipe.

use std::io;

/// A command that could not be started.
#[derive(Debug, thiserror::Error)]
#[error("starting a command failed while {step}")]
pub struct SpawnError {
    /// What was being done.
    pub step: SpawnStep,
    /// The kernel's answer.
    #[source]
    pub source: io::Error,
}

macro_rules! steps {
    ($($(#[$doc:meta])* $step:ident = $number:literal, $words:literal;)*) => {
        /// What was being done when a start failed, in the order of doing.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u32)]
        pub enum SpawnStep {
            $($(#[$doc])* $step = $number,)*
        }

        impl SpawnStep {
            fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$step),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for SpawnStep {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self {
                    $(Self::$step => $words,)*
                })
            }
        }
    };
}

steps! {
    /// Before the fork: pipes and `/dev/null`.
    Prepare = 1, "preparing its descriptors";
    /// `clone3`, also into the cgroup.
    Clone = 2, "making the process";
    /// `setsid`.
    Session = 3, "making its session";
    /// Standard input, output and error.
    Descriptors = 4, "connecting its standard streams";
    /// The controlling terminal.
    Terminal = 5, "taking its terminal";
    /// Groups and user.
    Identity = 6, "changing to its user";
    /// The working directory.
    Directory = 7, "entering its working directory";
    /// `no_new_privs` and the seccomp filter.
    Filter = 8, "installing its system call filter";
    /// `execve`.
    Exec = 9, "executing the program";
}

/// Length of a whole report.
pub(super) const LENGTH: usize = 8;

/// The report for a failed step. Allocates nothing: called between fork and exec.
pub(super) fn encode(step: SpawnStep, errno: i32) -> [u8; LENGTH] {
    let ([a, b, c, d], [e, f, g, h]) = ((step as u32).to_ne_bytes(), errno.to_ne_bytes());
    [a, b, c, d, e, f, g, h]
}

/// What a report means; an empty one is success.
pub(super) fn decode(report: &[u8]) -> Result<(), SpawnError> {
    let Some((step, errno)) = report.first_chunk::<4>().zip(report.get(4..LENGTH)) else {
        return if report.is_empty() { Ok(()) } else { Err(garbled()) };
    };
    let errno = i32::from_ne_bytes(errno.try_into().map_err(|_| garbled())?);
    let step = SpawnStep::from_number(u32::from_ne_bytes(*step)).ok_or_else(garbled)?;
    Err(SpawnError { step, source: io::Error::from_raw_os_error(errno) })
}

fn garbled() -> SpawnError {
    SpawnError { step: SpawnStep::Clone, source: io::Error::new(io::ErrorKind::InvalidData, "the child's report is garbled") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_decode_and_garbage_is_an_error() {
        let error = decode(&encode(SpawnStep::Directory, libc::ENOENT)).unwrap_err();
        assert_eq!((error.step, error.source.raw_os_error()), (SpawnStep::Directory, Some(libc::ENOENT)));
        assert!(decode(&[]).is_ok());
        for bad in [&[1u8, 2][..], &[0; LENGTH], &[99, 0, 0, 0, 1, 0, 0, 0]] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
    }
}
