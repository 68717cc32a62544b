"""Work orders: what a line is to make (ISA-95 part 4; B2MML's JobOrder)."""
