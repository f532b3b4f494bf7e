"""The compiler from ``schema/*.yaml`` to ``fincard_async/_generated``. Not part of the wheel.

One direction, one record after the other::

    load     YAML files          -> Schema     plain data that knows its file and line   nodes
    check    Schema              -> SchemaError, with every mistake at its line          checks/
    build    Schema              -> Api        frozen records, every decision taken      ir, parts, properties
    render   Api                 -> {path: text}
               models            lowered components, through datamodel-code-generator
               the rest          templates/*.jinja; stubs, docstrings, literals and commands say the values
               ruff              lays the text out
    write    {path: text}        -> the folder, or its differences (``--check``)

It never imports ``fincard_async``: that is what it makes.
"""
