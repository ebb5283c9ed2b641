"""What happens to rows of samples between a source and a mixture: a file a step, each with one contract"""
