//! As much of the DNS message as forwarding takes: the header and the one question.

use hickory_proto::op::{Header, MessageType, OpCode, Query as Question, ResponseCode};
use hickory_proto::rr::RecordType;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

/// Length of a message's header.
const HEADER: usize = 12;

/// A question a client asked.
#[derive(Debug)]
pub(super) struct Query<'a> {
    bytes: &'a [u8],
    /// Where the question ends.
    end: usize,
    header: Header,
    question: Question,
}

/// What cannot be forwarded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// Too short to have an identifier, or an answer: answering these lets two parties answer each other for ever.
    Silent,
    /// A reply of no more than a header.
    Reply([u8; HEADER]),
}

impl Bad {
    /// What to send back, if anything.
    pub(super) fn reply(self) -> Option<Vec<u8>> {
        match self {
            Self::Silent => None,
            Self::Reply(header) => Some(header.to_vec()),
        }
    }
}

impl<'a> Query<'a> {
    /// Reads what a client sent.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Bad> {
        let refuse = |code| match bytes.first_chunk::<HEADER>() {
            Some(header) if header[2] & QR == 0 => Bad::Reply(reply_header(header, code, 0)),
            _ => Bad::Silent,
        };
        let mut decoder = BinDecoder::new(bytes);
        let header = Header::read(&mut decoder).map_err(|_| refuse(ResponseCode::FormErr))?;
        if header.metadata.message_type != MessageType::Query {
            return Err(Bad::Silent);
        }
        if header.metadata.op_code != OpCode::Query {
            return Err(refuse(ResponseCode::NotImp));
        }
        if header.counts.queries != 1 || header.counts.answers != 0 {
            return Err(refuse(ResponseCode::FormErr));
        }
        let question = Question::read(&mut decoder).map_err(|_| refuse(ResponseCode::FormErr))?;
        Ok(Self { bytes, end: decoder.index(), header, question })
    }

    /// The client's identifier.
    pub(super) fn id(&self) -> u16 {
        self.header.metadata.id
    }

    /// What is asked for.
    pub(super) fn record_type(&self) -> RecordType {
        self.question.query_type()
    }

    /// The same message under another identifier.
    pub(super) fn under(&self, id: u16) -> Vec<u8> {
        let mut bytes = self.bytes.to_vec();
        set_id(&mut bytes, id);
        bytes
    }

    /// A reply without records.
    pub(super) fn reply(&self, code: ResponseCode) -> Vec<u8> {
        reply_to(self.bytes, self.end, code)
    }
}

/// Puts another identifier into a message.
pub(super) fn set_id(message: &mut [u8], id: u16) {
    if let Some(place) = message.first_chunk_mut::<2>() {
        *place = id.to_be_bytes();
    }
}

/// `answer` is an answer to `asked`: same identifier, same question. Some servers leave the question out of an error.
pub(super) fn answers(asked: &[u8], answer: &[u8]) -> bool {
    let (Some((asked, asked_question)), Some((answer, question))) = (parts(asked), parts(answer)) else { return false };
    let same = match question {
        Some(question) => asked_question.is_some_and(|asked| asked == question),
        None => answer.metadata.response_code != ResponseCode::NoError,
    };
    same && answer.metadata.message_type == MessageType::Response && answer.metadata.id == asked.metadata.id
}

/// The start of an answer that was longer than could be read, marked as cut: the client asks again over TCP.
pub(super) fn cut(asked: &[u8]) -> Option<Vec<u8>> {
    let query = Query::read(asked).ok()?;
    let mut reply = query.reply(ResponseCode::NoError);
    reply[2] |= TC;
    Some(reply)
}

fn parts(message: &[u8]) -> Option<(Header, Option<Question>)> {
    let mut decoder = BinDecoder::new(message);
    let header = Header::read(&mut decoder).ok()?;
    let question = match header.counts.queries {
        0 => None,
        1 => Some(Question::read(&mut decoder).ok()?),
        _ => return None,
    };
    Some((header, question))
}

/// Bits of the header's third byte: response, truncated, recursion desired, and the operation's place.
const QR: u8 = 0x80;
const TC: u8 = 0x02;
const RD: u8 = 0x01;
const OPCODE: u8 = 0x78;
/// Bit of the fourth: recursion available.
const RA: u8 = 0x80;

fn reply_to(query: &[u8], end: usize, code: ResponseCode) -> Vec<u8> {
    let mut reply = query[..end].to_vec();
    if let Some(header) = reply.first_chunk_mut::<HEADER>() {
        *header = reply_header(header, code, 1);
    }
    reply
}

fn reply_header(query: &[u8; HEADER], code: ResponseCode, questions: u8) -> [u8; HEADER] {
    let flags = QR | (query[2] & (OPCODE | RD));
    [query[0], query[1], flags, RA | code.low(), 0, questions, 0, 0, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Question for the IPv4 address of `a.test`, recursion desired.
    const QUERY: &[u8] = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x01a\x04test\0\0\x01\0\x01";

    fn changed(at: usize, to: u8) -> Vec<u8> {
        let mut bytes = QUERY.to_vec();
        bytes[at] = to;
        bytes
    }

    #[test]
    fn a_question_is_read_and_answered_without_what_follows_it() {
        let with_options = [QUERY, b"\0\0\x29\x10\0\0\0\0\0\0\0"].concat();
        let query = Query::read(&with_options).expect("a question");
        assert_eq!((query.id(), query.record_type()), (0x1234, RecordType::A));
        assert_eq!(query.under(0xbeef)[..2], [0xbe, 0xef]);
        assert_eq!(query.under(0xbeef)[2..], with_options[2..]);
        assert_eq!(query.reply(ResponseCode::ServFail), [b"\x12\x34\x81\x82\0\x01\0\0\0\0\0\0", &QUERY[12..]].concat());
    }

    #[test]
    fn garbage_gets_an_error_and_answers_get_nothing() {
        let form_error = |bytes: &[u8]| Bad::Reply([0x12, 0x34, bytes[2] & 0x79 | 0x80, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]);
        let cases: [(&str, Vec<u8>, Option<Bad>); 7] = [
            ("as it should be", QUERY.to_vec(), None),
            ("nothing", vec![], Some(Bad::Silent)),
            ("half a header", QUERY[..7].to_vec(), Some(Bad::Silent)),
            ("an answer", changed(2, 0x81), Some(Bad::Silent)),
            ("two questions", changed(5, 2), Some(form_error(QUERY))),
            ("half a name", QUERY[..15].to_vec(), Some(form_error(QUERY))),
            ("a name that points at itself", [&QUERY[..12], b"\xc0\x0c\0\x01\0\x01"].concat(), Some(form_error(QUERY))),
        ];
        for (what, bytes, want) in cases {
            assert_eq!(Query::read(&bytes).err(), want, "{what}");
        }
        let update = changed(2, 0x29);
        assert_eq!(Query::read(&update).err().and_then(Bad::reply).map(|r| r[3]), Some(0x84), "not implemented");
    }

    #[test]
    fn only_the_answer_to_the_question_counts() {
        let answer = |f: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Query::read(QUERY).unwrap().reply(ResponseCode::NoError);
            f(&mut bytes);
            answers(QUERY, &bytes)
        };
        assert!(answer(&|_| {}));
        assert!(answer(&|b| b[13] = b'A'), "names have no case");
        assert!(answer(&|b| {
            b.truncate(12);
            b[5] = 0;
            b[3] = 0x81;
        }));
        assert!(!answer(&|b| {
            b.truncate(12);
            b[5] = 0;
        }));
        assert!(!answer(&|b| b[1] ^= 1), "another identifier");
        assert!(!answer(&|b| b[2] &= 0x7f), "a question");
        assert!(!answer(&|b| b[13] = b'b'), "another name");
        assert!(!answer(&|b| b[20] = 28), "another type");
        assert!(!answer(&|b| b.truncate(9)), "half a header");
    }

    #[test]
    fn an_answer_that_was_cut_says_so() {
        let reply = cut(QUERY).expect("a reply");
        assert_eq!(reply[2] & TC, TC);
        assert!(answers(QUERY, &reply));
    }
}
