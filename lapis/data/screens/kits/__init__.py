"""Pages that are described once and drawn by published UI kits, labelled from Chrome's accessibility tree"""
