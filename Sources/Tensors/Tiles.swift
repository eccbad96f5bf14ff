/// How work is cut: by shape alone, never by the number of threads or ranks, so that every tile is the same call with the same
/// bits whoever runs it.
struct Tiles {
    /// Boundaries of `length` cut into the fewest near-equal pieces of at most `most`, each a multiple of `unit` but the last.
    static func cut(_ length: Int, most: Int, unit: Int = 1) -> [Range<Int>] {
        if length == 0 { return [] }
        let pieces = (length + most - 1) / most
        let size = ((length + pieces - 1) / pieces + unit - 1) / unit * unit
        return stride(from: 0, to: length, by: size).map { $0..<min(length, $0 + size) }
    }

    /// Rows of activations in one tile.
    static let rows = 512
    /// Outputs in one tile.
    static let columns = 256
    /// Columns up to which a product counts as narrow, and the rows in one of its tiles.
    static let narrow = 128
    /// The longest inner length that is multiplied at once; longer ones are added piece by piece.
    static let inner = 2048
}
