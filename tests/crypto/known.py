"""Known keys and a known ciphertext, made with the openssl command; they guard nothing."""

from __future__ import annotations

KEY = (
    "MIIEoAIBAAKCAQEA3aKjUAvePfRa56IvXGODxiwyJKLfspp0r0dPJ0ghrA3Y5UvbUGXv6uP2h/mU7KQRiqSOkSCRPJnS"
    "AqHjximk3w1v6t8eLN5cedC8FHF8oS5s00+PDXhAcY8mG9shvQf58UAyn6xC6XYfPyH+sJ9h4ud87ID+OGF0Mf2L99XA"
    "165D3MvPuAMeUyFtFMOcfl2nHVEo1r46mCCOfdBqba7Pw5LfjphJFqgnbmkfCiC5dNcI8+kcqHfgBZvXschpahWS24xi"
    "vK1Bymp13ZXbo8JBjOjszW9kmuf4BGmViehU0OceZfUQTSVk3221cmiLq0ZLkmbxmcOfdcmNEjvJR1oceQIDAQABAoH/"
    "GQp2Y502cPucz0aXOjpoTTB/CojLt9nXcPZM4hVi2e8EfvnpW2wSvTGlx5tSOu/qZH+zIXVMhDYJZax7EmtZvbhrG/of"
    "B7WHJvlxO27DkoivC1JIF1wdZkffMB+PPjM7/Coa8k4G82pcye7/axwnjCUmhgyHXpoptfakeGQ8GmTMthpe5qY9qIU1"
    "+L5oFe4wCayEaSkwbfWFgCrbJuSGbytJamNsr6GZjsBc5ZGcAINJZEFDYsvlWo57T5pc7d8bCEaPqnnClUus3P9wTE8s"
    "HiwHgED3T0KbrlW2gnRL5pfRMEuDVjM/EmzZdJnzHPp+2sy7oj1cZYJ4HGxeOm6BAoGBAPS2XMTxknIoLt/kjvSgm6f1"
    "+8XxCTyvqrZImvSNjeGJCDjVYmAMXWzEcuQt2Po4GmVLJ0EIv7hvYtBjqJcsEMVlcys6pxj8dq/2xpm5CH9NN5SPqE10"
    "xSwGhbdmM6qLY2hDg6/4LzYcMpZZqY0g83THDyLwOb6pkIbLaUaqFHw5AoGBAOfbxlfMtUL8q46CejsgI3AXJV/Wwg6F"
    "Tu412ItjjhhDNnCtRS2+qY7CLM7buwq1Wo2bsJ0YT/jZUCGWTERw2wfXvS/xrh0fz23pUYolI9hxjsFmqRPk7VygZ0KC"
    "0KU0gIhA0C4yv/Uh6rd7gKCref52w3Q91uOJWg6KWOZ63yJBAoGAVnmG6NWQ8aQ/hEDpP4rt1nm3YeheYkKVadrYXykS"
    "hSt+a08Ed3qHHSOCkh2dejaPJVJcab/kuBEscwV0kw8wUgEapKESYWL9sgrbfYEEfq/TvzzQtaZY8sjPQdLs2QxusW6C"
    "P5HNZSqrubOvlb6aKZ8aOzd2wGh9ORTye9UobgkCgYAQHksvl1+ShJY4lgGBUr6j8Df87aUX9VSDYuLm7cjXDvUd6C3C"
    "/Fo1PnJ2/veFyw28gnJIuYP1vMXBT/2FVIMljG3ug1KjW67D6VBt1h8j0OEnuMdQRr3pjo0fJpDyqy+0SS0vyP9nPzBe"
    "CQvsH3+fnQoBbrsdnlLQZ/W+MBSLAQKBgBT+LphAPLGts/197HCXZFBBD3WNOV0ywnI2DmuC+uuAn0qSwLMqgW2ulL53"
    "/57jdn6+YGQYM9XhN0+iaAstRxlOkcdaUmowXaqjlznzL3fOmQFczVfyoVAHXJYTPuF93lSAtM0Q3BbHZMyGXxlqNK4y"
    "gq2atz6cyZj3HDQTXjss"
)
"""A 2048-bit private key: PKCS#8 DER in base64, the way the API's dashboard hands it out."""

CARD = (
    "0iblHtvZKqwCy9zn5TT+4VTEnCHmrXiaGjdog3B03FYt8/tXpjhM8rWqSD/cVuGKEaOOAtnoGYfLB/7jfUI8VoR6JFfW"
    "yc9w+ln58OHoUTFRL2fZGfF1IW6eheg2zt6/pWhSNSgvmMby2csGIJpEGa5bOcumT6zC9so7/lnkEvFpcKxeDE41RSir"
    "J4n26XsxwqZiGuDyhodtGZ3PVgeu/Ht4R7Z9j2HCpnNdnk1y4wrglFK9ib+tFXKd8yH8SDeBYRc2HQhEctlxmHMXZyD1"
    "zezu3EJg0Xxjsmz3+DlGiGlHUY6uQ6Spl2ZeEMuxpPSNvEGbs2hcUa9tvE0OUF+dbA=="
)
"""``4242424242424242``, sealed for ``KEY`` by ``openssl pkeyutl -encrypt``."""

SHORT_KEY = (
    "MIIBOgIBAAJBAOHeebX/AzBonM2vq+pPrMvPSWenU1J3Xned/gs/tkulRVE2G54uiRL4L70h/bqQ4b1H6JtohrexOv4G"
    "H4hc1tsCAwEAAQJALJDcDPfjJjMN9VubHSFZY+Fjh2sxeo0I+6sVzBxnGKeFjkf8OBbYr/1GZYq9wl4C6+6aVIs1dMth"
    "IV4Tf/xwEQIhAPOqb0nTFGmKcGC30/At26VPW5dMVizF443ymos6vkKZAiEA7U1rmmEGvvcFPL3QVWRnrxjS1UuOj2W9"
    "e7HaTwfqAZMCIQDXrT9ucAi8Vo6b/Xr6OA0YKMMgi7AnV03RAjFrFab82QIgAzCkPqoJPi3x6xQeJde4sRjjVKy0WOck"
    "OfJ1HdTcZ3MCIDYG+DUrP6Idbk5B2Xx3xdEe5/qni2d3JtVbld4TglkP"
)
"""A 512-bit private key: PKCS#1 DER in base64."""

EC_KEY = (
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4Q6klKrXQCyRrYo4SnrxKvbIxbbmsJQlTmzCaH4QLKih"
    "RANCAASsEagl7L12W5gQz5WWn8zj9fzlI00QLgFNwPbb9HpTzbg0qRBxaXjwUaEqiAJn843drG+1mthgq82fZo6KH1d4"
)
"""A private key that is not RSA: PKCS#8 DER in base64."""
