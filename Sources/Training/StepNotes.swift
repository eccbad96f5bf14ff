/// What ranks tell each other beside the sums of a step, in the same all-reduce: wishes to stop, and what they hold.
struct StepNotes {
    /// Whether the ranks compare their adapters and moments.
    let isAudited: Bool

    private static let reasons: [StopRequest.Reason] = [.signal, .time, .saveError]

    /// This rank's numbers, which are added to those of the others: a count for each reason to stop, and a digest in a place of the
    /// rank's own.
    func numbers(rank: Int, ranks: Int, stop: StopRequest.Reason?, digest: UInt64) -> [Int64] {
        var numbers: [Int64] = Self.reasons.map { $0 == stop ? 1 : 0 }
        guard isAudited else { return numbers }
        for other in 0..<ranks { numbers.append(other == rank ? Int64(bitPattern: digest) : 0) }
        return numbers
    }

    /// What all ranks know then.
    struct Told {
        /// Why to end after this step.
        let stop: StopRequest.Reason?
        /// Ranks that hold something else than most do, or than rank 0 where there is no most.
        let strangers: [Int]

        init(_ sums: [Int64], _ notes: StepNotes, ranks: Int) {
            stop = zip(StepNotes.reasons, sums).first { $1 > 0 }?.0
            let digests = Array(sums.dropFirst(StepNotes.reasons.count))
            strangers = notes.isAudited ? Self.strangers(among: digests) : []
        }

        /// What an audit by itself found.
        init(strangers: [Int]) {
            stop = nil
            self.strangers = strangers
        }

        /// The places of the digests that are not the one that more than half have, or else the first.
        static func strangers(among digests: [Int64]) -> [Int] {
            guard let first = digests.first else { return [] }
            var counts: [Int64: Int] = [:]
            for digest in digests { counts[digest, default: 0] += 1 }
            let right = counts.first { 2 * $0.value > digests.count }?.key ?? first
            return digests.indices.filter { digests[$0] != right }
        }
    }
}
