import click
@click.command()
def issue(): pass
