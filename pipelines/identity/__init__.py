"""Who is who: identifiers compared by real parsers, records tied into customers."""
