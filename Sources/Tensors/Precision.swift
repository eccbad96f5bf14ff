import CKernels

/// What the inputs of matrix products are rounded to; sums are always in Float.
public enum Precision: String, Sendable, CaseIterable {
    case fp32, bf16

    /// Does this CPU multiply bf16 numbers by instructions of its own? Elsewhere they are widened as they are multiplied.
    public static var hasFastBF16: Bool { bf16Instructions == CK_BF16_NATIVE }

    /// What this CPU is fast at.
    public static var best: Precision { hasFastBF16 ? .bf16 : .fp32 }
}

/// The instructions that bf16 products use here.
let bf16Instructions = ck_bf16_best_isa()
