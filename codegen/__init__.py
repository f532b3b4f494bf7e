"""The compiler from ``schema/*.yaml`` to ``fincard_async/_generated``. Not part of the wheel.

One direction, one record after the other::

    load     YAML files -> Schema: plain data that knows its file and line (nodes)
    check    Schema -> nothing, or SchemaError with every mistake at its line (checks/)
    build    Schema -> Api: frozen records with every decision taken (ir, parts, properties)
    render   Api -> {path: text}: structs through datamodel-code-generator (models), the rest
             through templates that only print (stubs, docstrings, literals, commands), then ruff
    write    {path: text} -> the folder; with ``--check`` its differences

It never imports ``fincard_async``: that is what it makes.
"""
