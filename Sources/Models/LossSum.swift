/// Σ −log p(target) over trained tokens, exact in units of 2⁻³², so that the order of adding cannot matter.
public struct LossSum: Sendable, Equatable {
    public var units: Int64 = 0
    /// Trained tokens.
    public var tokens: Int64 = 0
    /// No loss was NaN, infinite or beyond 2²⁰, and their sum stayed below 2³¹.
    public var isFinite = true

    public init() {}

    /// Adds one token's loss, as often as it is trained.
    mutating func add(_ loss: Float, times count: Int) {
        tokens += Int64(count)
        guard loss.magnitude < 0x1p20 else {
            isFinite = false
            return
        }
        let (units, overflow) = Int64((Double(loss) * 0x1p32).rounded()).multipliedReportingOverflow(by: Int64(count))
        if overflow { isFinite = false } else { add(units: units) }
    }

    /// Adds another sum.
    public mutating func add(_ other: LossSum) {
        add(units: other.units)
        tokens += other.tokens
        isFinite = isFinite && other.isFinite
    }

    private mutating func add(units more: Int64) {
        let (sum, overflow) = units.addingReportingOverflow(more)
        if overflow { isFinite = false } else { units = sum }
    }

    /// The mean over trained tokens; NaN without any.
    public var mean: Double { isFinite ? Double(units) * 0x1p-32 / Double(tokens) : .nan }
}
