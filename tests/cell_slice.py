"""Which cells of a notebook some later cells need: found backwards, by the names that they bind, change and read."""

import ast

DRAWING = {"viz", "plt", "print", "display", "axes", "axis", "figure"}  # statements that begin with these change no value


def needed_cells(sources: list[str], targets: list[int]) -> list[int]:
    """The targets and all cells before them that bind or may change a name which they read, directly or through others."""
    trees, late = [ast.parse(source) for source in sources], set()
    while True:  # what functions read may be bound after them: such names are wanted everywhere
        kept, wanted = [], set(late)
        for index in reversed(range(len(trees))):
            tree = trees[index]
            if index in targets:  # one answer may bind what another one, or none, leaves as it was
                kept.append(index)
                wanted |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | late
            elif changed(tree) & wanted or sets_state(tree):
                kept.append(index)
                wanted = wanted - bound_first(tree) | read(tree) | late
        found = {name for index in kept for name in read_in_functions(trees[index])}
        if found <= late:
            return kept[::-1]
        late |= found


def read_in_functions(tree) -> set[str]:
    """Names of the surroundings that functions in a cell read."""
    found = set()
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.Lambda)):
            names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
            own = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
            own |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
            found |= {name.id for name in names} - own
    return found


def bound_first(tree) -> set[str]:
    """Names that a cell surely binds: what they were before does not matter to later cells."""
    found = set()
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            names = [node for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)]
            found |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
        elif isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            found.add(statement.name)
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            found |= {(name.asname or name.name).split(".")[0] for name in statement.names}
    return found


def read(tree) -> set[str]:
    """Names that a cell reads, unless a statement before has bound them."""
    found, bound = set(), set()
    for statement in tree.body:
        found |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store)} - bound
        if isinstance(statement, ast.AugAssign):
            found.add(root(statement.target))
        bound |= bound_first(ast.Module([statement], []))
    return found


def changed(tree) -> set[str]:
    """Names that a cell binds, and those that a statement of its own could change: `x.sort()`, `x[0] = 1`, `train(x)`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(name.asname or name.name).split(".")[0] for name in node.names}
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            found.add(root(node))
        elif isinstance(node, ast.Expr) and root(node.value) not in DRAWING:
            found |= {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
    return found


def sets_state(tree) -> bool:
    """Whether a cell sets something global, such as a default type or a seed."""
    calls = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    return any(isinstance(call.func, ast.Attribute) and call.func.attr in ("set_default_dtype", "manual_seed", "seed") for call in calls)


def root(node):
    """The name with which an expression begins: x of `x.y[0].z()`."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
