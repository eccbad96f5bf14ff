public import Tensors

extension Adapter {
    /// Whether an entry of the slab holds magnitudes, which files keep as a vector.
    public static func isMagnitude(_ entry: ParameterLayout.Entry) -> Bool { entry.name.hasSuffix(nameOfMagnitude) }

    /// Gives each module magnitudes, behind what the layout has.
    /// - Returns: room for the norms that they are divided by.
    static func appendMagnitudes(to layout: inout ParameterLayout, _ modules: inout [Module]) -> ParameterSlab {
        var norms = ParameterLayout()
        modules = modules.map { module in
            let outputs = layout.entries[module.b].rows
            _ = norms.append(module.path, rows: 1, columns: outputs)
            let magnitude = layout.append(module.path + nameOfMagnitude, rows: 1, columns: outputs)
            return Module(
                path: module.path, a: module.a, b: module.b, rank: module.rank, scale: module.scale,
                magnitude: magnitude)
        }
        return ParameterSlab(norms)
    }

    /// Sets each magnitude to the norm that it is divided by, so that DoRA begins with W + scale · B A. (Liu et al. 2024, section 4.1)
    public func setMagnitudesToNorms() {
        guard let norms else { return }
        for (index, module) in modules.enumerated() { values[module.magnitude!].copy(from: norms[index]) }
    }
}
